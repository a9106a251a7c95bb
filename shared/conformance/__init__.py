"""Does a running system keep the contract?"""

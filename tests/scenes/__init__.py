"""Films of small people in a large picture, whose truth is known, and how well they are found."""

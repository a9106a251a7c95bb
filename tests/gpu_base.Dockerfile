# Stands for NVIDIA's TensorRT images where no GPU is, so that `make test-images` can take every step of the images for
# GPUs: Python with a module "tensorrt", a compiler, CUDA's headers from PyPI, and a libcuda that one can only link with.
FROM python:3.11-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends g++ python3-dev >/dev/null
RUN python3 -m pip install -q --target /tmp/cuda nvidia-cuda-runtime-cu12==12.9.79 \
 && mkdir -p /usr/local/cuda/bin /usr/local/cuda/lib64/stubs \
 && cp -r /tmp/cuda/nvidia/cuda_runtime/include /usr/local/cuda/ \
 && cp /tmp/cuda/nvidia/cuda_runtime/lib/* /usr/local/cuda/lib64/ \
 && ln -s libcudart.so.12 /usr/local/cuda/lib64/libcudart.so \
 && rm -rf /tmp/cuda
# PyPI has no cudaProfiler.h, which pycuda includes.
RUN printf '%s\n' '#include <cuda.h>' 'typedef enum CUoutput_mode_enum { CU_OUT_KEY_VALUE_PAIR, CU_OUT_CSV } CUoutput_mode;' \
  'extern "C" { CUresult cuProfilerInitialize(const char*, const char*, CUoutput_mode); CUresult cuProfilerStart(); CUresult cuProfilerStop(); }' \
  > /usr/local/cuda/include/cudaProfiler.h \
 && echo | gcc -shared -x c - -o /usr/local/cuda/lib64/stubs/libcuda.so \
 && printf '#!/bin/sh\nexit 1\n' > /usr/local/cuda/bin/nvcc && chmod +x /usr/local/cuda/bin/nvcc
RUN echo '__version__ = "0.0"' > "$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tensorrt.py"

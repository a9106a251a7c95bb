// What kernels.cu and video/pictures.cu share: how NV12 becomes BGR. tests/compile_kernels.py puts it in their place.
#pragma once

#ifdef __CUDACC_RTC__
#define KERNEL extern "C" __global__
#define DEVICE static __device__ __forceinline__
#define CONSTANT __constant__ const
#endif

typedef unsigned char u8;

DEVICE u8 clamp_u8(int value) { return value < 0 ? 0 : value > 255 ? 255 : value; }

// Luma and what U and V add to blue, green and red, with 20 bits behind the point, by `Job.colour`. Those of BT.601 in
// the limited range are OpenCV's.
CONSTANT int COEFFICIENTS[4][5] = {
    {1220542, 2116026, -409993, -852492, 1673527},
    {1220945, 2215014, -223607, -558796, 1879825},
    {1048576, 1858077, -360853, -748826, 1470104},
    {1048576, 1945738, -196424, -490864, 1651297},
};

DEVICE void nv12_to_bgr(int luma, int u, int v, int colour, int* bgr) {
    const int* by = COEFFICIENTS[colour];
    const int grey = (colour & 2 ? luma : luma < 16 ? 0 : luma - 16) * by[0] + (1 << 19);
    u -= 128;
    v -= 128;
    bgr[0] = clamp_u8((grey + by[1] * u) >> 20);
    bgr[1] = clamp_u8((grey + by[2] * u + by[3] * v) >> 20);
    bgr[2] = clamp_u8((grey + by[4] * v) >> 20);
}

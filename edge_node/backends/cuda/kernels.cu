// The kernels that run on the GPU before the network: the letterbox.
//
// `make kernels` compiles this file to kernels.ptx. The driver turns that into machine code when it loads it, so an edge
// box needs neither nvcc nor NVRTC. kernels.py describes the structures to Python. There are no barriers and no shared
// memory: every thread works alone, so that the tests can run this source on a CPU, thread by thread.

#include "colour.cuh"

typedef unsigned short f16;  // its bits; NVRTC has no cuda_fp16.h

struct Job {                    // one picture of the batch
    unsigned long long luma;    // address of its first row: of the luma, or of the BGR pixels
    unsigned long long chroma;  // address of the first row of U and V, side by side; 0: BGR, interleaved
    int pitch;                  // bytes from one row to the next
    int source_width, source_height;
    int width, height, left, top;  // of its copy in the input, see Letterbox in preprocess.py
    int colour;                    // how NV12 becomes BGR: 1 is added for BT.709, 2 for the full range
};

struct Format {  // see InputFormat in preprocess.py
    float scale[3], offset[3];
    int rgb;
};

// --- letterbox -------------------------------------------------------------------------------------------------------

const int COEFFICIENT = 2048;  // bilinear weights have 11 bits, as in OpenCV's resize of u8 pictures

DEVICE void fetch(const Job& job, int x, int y, int* bgr) {
    const u8* row = (const u8*)job.luma + (long long)y * job.pitch;
    if (job.chroma) {
        const u8* chroma = (const u8*)job.chroma + (long long)(y >> 1) * job.pitch + (x & ~1);
        nv12_to_bgr(row[x], chroma[0], chroma[1], job.colour, bgr);
    } else {
        const u8* pixel = row + x * 3;
        bgr[0] = pixel[0];
        bgr[1] = pixel[1];
        bgr[2] = pixel[2];
    }
}

// The two source pixels beside a target pixel, and the weight of the second. In whole numbers:
// (x + 0.5) * source / target - 0.5 = ((2x + 1) * source - target) / (2 * target).
DEVICE void weigh(int x, int source, int target, int* first, int* second, int* weight) {
    const int position = (2 * x + 1) * source - target;
    *first = position < 0 ? 0 : position / (2 * target);
    *weight = position < 0 ? 0 : (position % (2 * target) * COEFFICIENT + target) / (2 * target);
    if (*first >= source - 1) {
        *first = source - 1;
        *weight = 0;
    }
    *second = *first + (*weight != 0);
}

// Bilinear with the roundings of OpenCV's INTER_LINEAR for u8.
DEVICE void sample(const Job& job, int x, int y, int* bgr) {
    int x0, x1, y0, y1, wx, wy, a[3], b[3], c[3], d[3];
    weigh(x, job.source_width, job.width, &x0, &x1, &wx);
    weigh(y, job.source_height, job.height, &y0, &y1, &wy);
    fetch(job, x0, y0, a);
    fetch(job, x1, y0, b);
    fetch(job, x0, y1, c);
    fetch(job, x1, y1, d);
    for (int i = 0; i < 3; ++i) {
        const int above = (a[i] * (COEFFICIENT - wx) + b[i] * wx) >> 4;
        const int below = (c[i] * (COEFFICIENT - wx) + d[i] * wx) >> 4;
        bgr[i] = (((COEFFICIENT - wy) * above >> 16) + (wy * below >> 16) + 2) >> 2;
    }
}

DEVICE void store(float* out, long long index, float value) { out[index] = value; }

DEVICE void store(f16* out, long long index, float value) {
#ifdef __CUDACC_RTC__
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out[index]) : "f"(value));
#else
    out[index] = to_half(value);
#endif
}

template <class Out>
DEVICE void letterbox(const Job* jobs, Out* out, int width, int height, const Format& format) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    const Job job = jobs[blockIdx.z];
    const int inner_x = x - job.left, inner_y = y - job.top;
    int bgr[3] = {114, 114, 114};  // PAD_VALUE
    if (inner_x >= 0 && inner_y >= 0 && inner_x < job.width && inner_y < job.height)
        sample(job, inner_x, inner_y, bgr);
    const long long plane = (long long)width * height;
    const long long index = blockIdx.z * 3 * plane + (long long)y * width + x;
    for (int i = 0; i < 3; ++i) {
        const int value = format.rgb ? bgr[2 - i] : bgr[i];
        // Not fused, so that every bit is the same as on the CPU.
        store(out, index + i * plane, __fadd_rn(__fmul_rn((float)value, format.scale[i]), format.offset[i]));
    }
}

KERNEL void letterbox_float32(const Job* jobs, float* out, int width, int height, Format format) {
    letterbox(jobs, out, width, height, format);
}

KERNEL void letterbox_float16(const Job* jobs, f16* out, int width, int height, Format format) {
    letterbox(jobs, out, width, height, format);
}

// kernels.cu for a CPU: one thread after the other. Built and called by test_kernels.py.
#include <cmath>
#include <cstdint>
#include <cstring>

struct Index {
    unsigned x, y, z;
};
static Index blockIdx, threadIdx, blockDim, gridDim;

static int atomicAdd(int* address, int value) {
    const int before = *address;
    *address += value;
    return before;
}
// Compiled with -ffp-contract=off, so these are not fused either.
static float __fadd_rn(float a, float b) { return a + b; }
static float __fmul_rn(float a, float b) { return a * b; }
static unsigned short to_half(float value) {
    const _Float16 half = static_cast<_Float16>(value);
    unsigned short bits;
    std::memcpy(&bits, &half, sizeof bits);
    return bits;
}
static float from_half(unsigned short bits) {
    _Float16 half;
    std::memcpy(&half, &bits, sizeof bits);
    return static_cast<float>(half);
}

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

#define KERNEL static
#define DEVICE static
#define CONSTANT static const
#include "kernels.cu"

template <class Call>
static void launch(unsigned threads_x, unsigned grid_y, unsigned grid_z, Call call) {
    blockDim = {1, 1, 1};
    gridDim = {threads_x, grid_y, grid_z};
    for (blockIdx.z = 0; blockIdx.z < grid_z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid_y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < threads_x; ++blockIdx.x) call();
}

extern "C" {
void run_copy_in(const Copy* copies, int pictures, const uint4* table, uint4* table_copy, int words) {
    launch(7, pictures + 1, 1, [&] { copy_in(copies, pictures, table, table_copy, words); });
}

void run_letterbox(const Job* jobs, void* out, int width, int height, const Format* format, int batch,
                   int half) {
    launch(width, height, batch, [&] {
        if (half)
            letterbox_float16(jobs, static_cast<f16*>(out), width, height, *format);
        else
            letterbox_float32(jobs, static_cast<float*>(out), width, height, *format);
    });
}

void run_filter(const void* output, const Request* request, const Layout* layout, int* counts, int* chosen, float* found,
                int batch, int half) {
    launch(layout->anchors, batch, 1, [&] {
        if (half)
            select_float16(static_cast<const f16*>(output), request, *layout, counts, chosen);
        else
            select_float32(static_cast<const float*>(output), request, *layout, counts, chosen);
    });
    launch(layout->rows + 1, 4, batch, [&] {
        if (half)
            gather_float16(static_cast<const f16*>(output), *layout, counts, chosen, found);
        else
            gather_float32(static_cast<const float*>(output), *layout, counts, chosen, found);
    });
}
}

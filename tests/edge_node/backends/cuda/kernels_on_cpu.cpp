// The kernels for a CPU: one thread after the other. Built by conftest.py.
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

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
static float __fsub_rn(float a, float b) { return a - b; }
static float __fmul_rn(float a, float b) { return a * b; }
static float __fdiv_rn(float a, float b) { return a / b; }
static int __popc(unsigned bits) { return __builtin_popcount(bits); }
static int __ffs(int bits) { return __builtin_ffs(bits); }
static int __float_as_int(float value) {
    int bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
static float __int_as_float(int bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
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

// A warp: threads that run in turn and meet where they exchange values. In between, each runs without the others, so
// that a value that is used without an exchange is seen in a test.
namespace warp {
const int WIDTH = 32;
struct Lane {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 16);
    int meetings;
    bool done;
};
static Lane lanes[WIDTH];
static ucontext_t scheduler;
static std::function<void()> work;
static uint64_t offered[2][WIDTH];  // of this meeting and of the next, which a thread may reach before others left this one
static int current;

static void run() {
    work();
    lanes[current].done = true;
}

// The value that another thread of the warp offers in the same exchange.
static uint64_t exchange(uint64_t value, int source) {
    Lane& lane = lanes[current];
    const int turn = lane.meetings++ & 1;
    offered[turn][current] = value;
    swapcontext(&lane.context, &scheduler);
    return offered[turn][source & (WIDTH - 1)];
}

static void start(std::function<void()> call) {
    work = call;
    for (Lane& lane : lanes) {
        lane.meetings = 0;
        lane.done = false;
        getcontext(&lane.context);
        lane.context.uc_stack = {lane.stack.data(), 0, lane.stack.size()};
        lane.context.uc_link = &scheduler;
        makecontext(&lane.context, run, 0);
    }
    while (!lanes[0].done) {
        for (current = 0; current < WIDTH; ++current) {
            threadIdx.x = current;
            swapcontext(&scheduler, &lanes[current].context);
            if (lanes[current].done != lanes[0].done || lanes[current].meetings != lanes[0].meetings) {
                std::fprintf(stderr, "thread %d of a warp does not take part in an exchange\n", current);
                std::abort();
            }
        }
    }
    threadIdx.x = 0;
}
}  // namespace warp

template <class T>
static T __shfl_sync(unsigned, T value, int lane) {
    return static_cast<T>(warp::exchange(static_cast<uint64_t>(value), lane));
}
template <class T>
static T __shfl_xor_sync(unsigned, T value, int mask) {
    return static_cast<T>(warp::exchange(static_cast<uint64_t>(value), static_cast<int>(threadIdx.x) ^ mask));
}

#define KERNEL static
#define DEVICE static
#define DEVICE_CALL static
#define CONSTANT static const
#include "kernels.cu"
#include "nms.cu"
#include "video/pictures.cu"

template <class Call>
static void launch(unsigned threads_x, unsigned grid_y, unsigned grid_z, Call call) {
    blockDim = {1, 1, 1};
    gridDim = {threads_x, grid_y, grid_z};
    for (blockIdx.z = 0; blockIdx.z < grid_z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid_y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < threads_x; ++blockIdx.x) call();
}

extern "C" {
void run_letterbox(const Job* jobs, void* out, int width, int height, const Format* format, int batch,
                   int half) {
    launch(width, height, batch, [&] {
        if (half)
            letterbox_float16(jobs, static_cast<f16*>(out), width, height, *format);
        else
            letterbox_float32(jobs, static_cast<float*>(out), width, height, *format);
    });
}

void run_part(const Part* job, u8* out) {
    launch(job->target_width + 3, job->rows + 3, 1, [&] { part(*job, out); });
}

int sizes(int which) { return which == 0 ? sizeof(Scratch) : which == 1 ? sizeof(Result) : sizeof(Layout); }

void run_exponential(const float* values, float* results, int count) {
    for (int i = 0; i < count; ++i) results[i] = exponential(values[i]);
}

void run_nms(const Request* request, const Layout* layout, int* counts, Scratch* scratch, Result* results, int batch,
             int half) {
    // Backwards, because on a GPU, too, candidates are found in any order.
    blockDim = {1, 1, 1};
    gridDim = {unsigned(layout->anchors), unsigned(batch), 1};
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
        for (unsigned x = gridDim.x; x--;) {
            blockIdx.x = x;
            if (half)
                select_float16(*layout, request, counts, scratch);
            else
                select_float32(*layout, request, counts, scratch);
        }
    launch(3, batch, 1, [&] { warp::start([&] { rank(counts, scratch); }); });
    launch(7, batch, 1, [&] { compare(counts, request, scratch); });
    launch(batch, 1, 1, [&] { warp::start([&] { keep(counts, request, scratch, results); }); });
}
}

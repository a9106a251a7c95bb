// The kernels that run on the GPU after the network: they make detections of its output. Compiled as kernels.cu is.
//
// `select` lists the anchors that score enough, `rank` sorts them, `compare` says which of them overlap too much, and
// `keep` takes the best ones greedily. The result is that of decode/dense.py and decode/nms.py, bit for bit: the same
// operations on 32-bit floats in the same order, none of them fused. layout.py and nms.py describe the structures.
//
// Only `rank` and `keep` work in warps, whose threads exchange values; in the others, every thread works alone. There are
// no barriers and no shared memory, so that the tests can run this source on a CPU.
//
// Sources of the bit matrix: Ren and Girshick's NMS for Faster R-CNN, 2015; Oro et al., "Work-Efficient Parallel
// Non-Maximum Suppression", 2016.

#ifdef __CUDACC_RTC__
#define KERNEL extern "C" __global__
#define DEVICE static __device__ __forceinline__
#define DEVICE_CALL static __device__ __noinline__
#endif

typedef unsigned short f16;  // its bits; NVRTC has no cuda_fp16.h
typedef unsigned int u32;

const int WARP = 32;
const int CAPACITY = WARP * WARP;  // most candidates of a picture: a thread of `keep` has one bit for each of 32
const u32 ALL = 0xffffffffu;       // threads of a warp

struct Request {  // which detections are wanted
    float confidence, iou;
    int most;     // detections of a picture
    int classes;  // how many classes are wanted
    int ids[1];   // their ids; the array has `classes` entries
};

const int LEVELS = 8;

struct Level {                           // a grid of anchors, each of which is a cell of it
    unsigned long long scores, boxes;    // addresses of what the first picture has there
    int score_picture, box_picture;      // values from one picture to the next
    int first, across;                   // number of the first anchor; anchors in a row
    float stride;                        // pixels from one anchor to the next
    int unused;
};

enum Boxes { CENTRES, OFFSETS, DISTANCES };

struct Layout {  // how the outputs of the network lie in memory
    int anchors;
    int score_stride, box_stride;  // values from one anchor to the next
    int row_stride;                // from one value of an anchor to the next
    int objectness;                // 1: a class's score is its value times the objectness, which comes before the classes
    int boxes;                     // what the values of a box are: one of `Boxes`
    float place;                   // of a cell's anchor: 0 at its corner, 0.5 in its middle
    float width, height;           // of the input
    int levels;
    Level level[LEVELS];
};

struct alignas(16) Box {
    float x1, y1, x2, y2;
};

struct alignas(16) Candidate {
    Box box;
    float score;
    int class_id;
};

struct Scratch {               // of a picture
    long long keys[CAPACITY];  // by which candidates are sorted: the bits of the score, then the anchor
    Candidate found[CAPACITY], ordered[CAPACITY];
    u32 beaten[CAPACITY][WARP];  // bit k of word w of row i: i suppresses candidate 32 * w + k, which is worse
};

struct Result {  // of a picture, best first
    int candidates, kept;
    int unused[2];
    Box boxes[CAPACITY];
    float scores[CAPACITY];
    int class_ids[CAPACITY];
};

// --- select ----------------------------------------------------------------------------------------------------------

DEVICE float load(const float* in, long long index) { return in[index]; }

DEVICE float load(const f16* in, long long index) {
#ifdef __CUDACC_RTC__
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(in[index]));
    return value;
#else
    return from_half(in[index]);
#endif
}

const float LARGEST = 3.402823466e38f;  // of all finite floats

DEVICE bool finite(float value) { return fabsf(value) <= LARGEST; }

// The best wanted class of an anchor, the first one if several are; false if it scores too little. An anchor with a
// score that is no number has no best one, as in numpy.
template <class In>
DEVICE bool best(const In* scores, const Request* request, const Layout& layout, float likely, float* score, int* id) {
    float top = -LARGEST;
    int place = 0;
    bool numbers = true;
#pragma unroll 16
    for (int i = 0; i < request->classes; ++i) {
        float value = load(scores, (long long)request->ids[i] * layout.row_stride);
        if (layout.objectness) value = __fmul_rn(value, likely);
        numbers &= value == value;
        if (value > top) {
            top = value;
            place = i;
        }
    }
    if (!numbers || !(top >= request->confidence)) return false;
    *score = top;
    *id = request->ids[place];
    return true;
}

// e to the power of x, as detect/decode/exponent.py has it: the same operations in the same order.
DEVICE float exponential(float x) {
    const float limited = x < -86.0f ? -86.0f : x > 89.0f ? 89.0f : x;
    const float round = 12582912.0f;  // floats from here on are whole numbers
    const float n = __fsub_rn(__fadd_rn(__fmul_rn(limited, 1.44269504f), round), round);
    const float rest = __fsub_rn(__fsub_rn(limited, __fmul_rn(n, 0.693145752f)), __fmul_rn(n, 1.42860677e-6f));
    float power = 1.0f / 5040.0f;
    power = __fadd_rn(__fmul_rn(power, rest), 1.0f / 720.0f);
    power = __fadd_rn(__fmul_rn(power, rest), 1.0f / 120.0f);
    power = __fadd_rn(__fmul_rn(power, rest), 1.0f / 24.0f);
    power = __fadd_rn(__fmul_rn(power, rest), 1.0f / 6.0f);
    power = __fadd_rn(__fmul_rn(power, rest), 0.5f);
    power = __fadd_rn(__fmul_rn(power, rest), 1.0f);
    power = __fadd_rn(__fmul_rn(power, rest), 1.0f);
    const int whole = n == n ? (int)n : 0;
    return __fmul_rn(__fmul_rn(power, __int_as_float((whole + 126) << 23)), 2.0f);
}

DEVICE Box around(const float* centre, const float* sides) {
    const float half[2] = {__fmul_rn(sides[0], 0.5f), __fmul_rn(sides[1], 0.5f)};
    Box box;
    box.x1 = __fsub_rn(centre[0], half[0]);
    box.y1 = __fsub_rn(centre[1], half[1]);
    box.x2 = __fadd_rn(centre[0], half[0]);
    box.y2 = __fadd_rn(centre[1], half[1]);
    return box;
}

// The expected distance from an anchor to a side of its box, in strides: the mean of a distribution over BINS.
const int BINS = 8;

template <class In>
DEVICE_CALL float expected(const In* logits, int row_stride) {
    float values[BINS], top = -LARGEST;
    for (int i = 0; i < BINS; ++i) {
        values[i] = load(logits, (long long)i * row_stride);
        if (values[i] > top) top = values[i];
    }
    float total = 0.0f, moment = 0.0f;
    for (int i = 0; i < BINS; ++i) {
        const float weight = exponential(__fsub_rn(values[i], top));
        total = __fadd_rn(total, weight);
        moment = __fadd_rn(moment, __fmul_rn(weight, (float)i));
    }
    return __fdiv_rn(moment, total);
}

DEVICE float within(float value, float most) { return fminf(fmaxf(value, 0.0f), most); }

// The box of an anchor in pixels of the input; false if one of its numbers is none or infinite.
template <class In>
DEVICE bool box_of(const In* values, const Layout& layout, const Level& level, int cell, Box* box) {
    const float corner[2] = {(float)(cell % level.across), (float)(cell / level.across)};
    float at[4];
    if (layout.boxes == DISTANCES) {
        for (int i = 0; i < 4; ++i) {
            const float anchor = __fmul_rn(__fadd_rn(corner[i % 2], layout.place), level.stride);
            const float away = expected(values + (long long)i * BINS * layout.row_stride, layout.row_stride);
            const float distance = __fmul_rn(away, level.stride);
            at[i] = i < 2 ? __fsub_rn(anchor, distance) : __fadd_rn(anchor, distance);
        }
        if (!finite(at[0]) || !finite(at[1]) || !finite(at[2]) || !finite(at[3])) return false;
        *box = {within(at[0], layout.width), within(at[1], layout.height), within(at[2], layout.width),
                within(at[3], layout.height)};
        return true;
    }
    for (int i = 0; i < 4; ++i) {
        at[i] = load(values, (long long)i * layout.row_stride);
        if (layout.boxes == OFFSETS)
            at[i] = __fmul_rn(i < 2 ? __fadd_rn(at[i], corner[i]) : exponential(at[i]), level.stride);
    }
    *box = around(at, at + 2);
    return finite(box->x1) && finite(box->y1) && finite(box->x2) && finite(box->y2);
}

// One thread for each anchor. The count goes on beyond the capacity, so that the host sees that some are missing.
template <class In>
DEVICE void select(const Layout& layout, const Request* request, int* counts, Scratch* scratch) {
    const int number = blockIdx.x * blockDim.x + threadIdx.x, picture = blockIdx.y;
    if (number >= layout.anchors) return;
    Level level = layout.level[0];
#pragma unroll
    for (int i = 1; i < LEVELS; ++i)  // each by a constant index: else every thread would copy the whole layout
        if (i < layout.levels && number >= layout.level[i].first) level = layout.level[i];
    const int cell = number - level.first;
    const In* scores = (const In*)level.scores + (long long)picture * level.score_picture +
                       (long long)cell * layout.score_stride;
    float likely = 1.0f;
    if (layout.objectness) {
        likely = load(scores, -(long long)layout.row_stride);
        if (!(likely >= request->confidence)) return;
    }
    Candidate one;
    if (!best(scores, request, layout, likely, &one.score, &one.class_id)) return;
    const In* values =
        (const In*)level.boxes + (long long)picture * level.box_picture + (long long)cell * layout.box_stride;
    if (!box_of(values, layout, level, cell, &one.box) || !finite(one.score)) return;
    // A class that scores above 1 passes a confidence that the objectness fails. The host then has to look, because it
    // may want a higher confidence for this picture than for others of the batch.
    const bool odd = layout.objectness && one.score > likely;
    const int slot = atomicAdd(counts + picture, odd ? CAPACITY + 1 : 1);
    if (slot >= CAPACITY) return;
    Scratch& own = scratch[picture];
    own.keys[slot] = ((long long)__float_as_int(one.score) << 32) | (0x7fffffff - number);
    own.found[slot] = one;
}

KERNEL void select_float32(Layout layout, const Request* request, int* counts, Scratch* scratch) {
    select<float>(layout, request, counts, scratch);
}

KERNEL void select_float16(Layout layout, const Request* request, int* counts, Scratch* scratch) {
    select<f16>(layout, request, counts, scratch);
}

// --- NMS -------------------------------------------------------------------------------------------------------------

// How many candidates there are; none if there are too many for the GPU.
DEVICE int number_of(const int* counts, int picture) { return counts[picture] <= CAPACITY ? counts[picture] : 0; }

// A warp for each candidate counts the better ones, which is its place in the order. No two keys are equal.
KERNEL void rank(const int* counts, Scratch* scratch) {
    const int picture = blockIdx.y, lane = threadIdx.x, count = number_of(counts, picture);
    Scratch& own = scratch[picture];
    for (int i = blockIdx.x * blockDim.y + threadIdx.y; i < count; i += gridDim.x * blockDim.y) {
        const long long key = own.keys[i];
        int better = 0;
#pragma unroll 4
        for (int j = lane; j < count; j += WARP) better += own.keys[j] > key;
        for (int step = WARP / 2; step; step /= 2) better += __shfl_xor_sync(ALL, better, step);
        if (lane == 0) own.ordered[better] = own.found[i];
    }
}

DEVICE float length(float from, float to) { return fmaxf(__fsub_rn(to, from), 0.0f); }

DEVICE float area(const Box& box) { return __fmul_rn(length(box.x1, box.x2), length(box.y1, box.y2)); }

// Boxes without area have an IoU that is no number, which is above nothing.
DEVICE bool overlap(const Candidate& a, float area_a, const Candidate& b, float most) {
    const float width = length(fmaxf(a.box.x1, b.box.x1), fminf(a.box.x2, b.box.x2));
    const float height = length(fmaxf(a.box.y1, b.box.y1), fminf(a.box.y2, b.box.y2));
    const float common = __fmul_rn(width, height);
    const float together = __fsub_rn(__fadd_rn(area(b.box), area_a), common);
    return a.class_id == b.class_id && __fdiv_rn(common, together) > most;
}

// A thread for each candidate and 32 others. Words that lie wholly before the candidate stay as they are: nobody needs
// them.
KERNEL void compare(const int* counts, const Request* request, Scratch* scratch) {
    const int picture = blockIdx.y, count = number_of(counts, picture);
    const int words = (count + WARP - 1) / WARP;
    Scratch& own = scratch[picture];
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count * words; i += gridDim.x * blockDim.x) {
        const int word = i / count, row = i % count, first = word * WARP;  // threads of a warp share the others
        if (first + WARP - 1 <= row) continue;
        const Candidate one = own.ordered[row];
        const float own_area = area(one.box);
        const int others = count - first < WARP ? count - first : WARP;
        u32 bits = 0;
#pragma unroll 4
        for (int k = 0; k < others; ++k)
            if (first + k > row && overlap(one, own_area, own.ordered[first + k], request->iou)) bits |= 1u << k;
        own.beaten[row][word] = bits;
    }
}

// A warp for each picture takes candidates best first, 32 at a time. Thread w knows which of the candidates from
// 32 * w on are suppressed. The result lies in the host's memory, so that nothing but detections crosses the bus.
KERNEL void keep(const int* counts, const Request* request, const Scratch* scratch, Result* results) {
    const int picture = blockIdx.x, lane = threadIdx.x, count = number_of(counts, picture), most = request->most;
    const Scratch& own = scratch[picture];
    Result& result = results[picture];
    u32 gone = 0;
    int kept = 0;
    for (int block = 0; block * WARP < count && kept < most; ++block) {
        const int first = block * WARP, number = count - first < WARP ? count - first : WARP;
        const Candidate mine = own.ordered[first + lane];
        const u32 near = own.beaten[first + lane][block];
        u32 far[WARP];  // fetched at once, because one after the other would wait for memory 32 times
#pragma unroll
        for (int k = 0; k < WARP; ++k) far[k] = own.beaten[first + k][lane];

        u32 alive = ~__shfl_sync(ALL, gone, block) & (ALL >> (WARP - number)), taken = 0;
        for (int room = most - kept; alive && room; --room) {  // the same in all threads
            const int k = __ffs(alive) - 1;
            taken |= 1u << k;
            alive &= ~(1u << k | __shfl_sync(ALL, near, k));
        }
        if (taken >> lane & 1) {
            const int place = kept + __popc(taken & ((1u << lane) - 1));
            result.boxes[place] = mine.box;
            result.scores[place] = mine.score;
            result.class_ids[place] = mine.class_id;
        }
        kept += __popc(taken);
#pragma unroll
        for (int k = 0; k < WARP; ++k)
            if (taken >> k & 1) gone |= far[k];
    }
    if (lane == 0) {
        result.candidates = counts[picture];
        result.kept = kept;
    }
}

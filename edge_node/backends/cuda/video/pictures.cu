// The kernel that cuts a part out of a picture on the GPU, converts it to BGR and scales it. Compiled as kernels.cu is.
//
// Every target pixel is the mean of the area that it covers, as OpenCV's INTER_AREA makes it, but in whole numbers:
// where a source pixel is covered in part, it counts in part. NV12 is converted first, pixel by pixel, so that a part
// may begin anywhere. pictures.py describes the structure to Python. Every thread works alone.

#include "../colour.cuh"

struct Part {
    unsigned long long luma;    // address of the picture's first row: of the luma, or of the BGR pixels
    unsigned long long chroma;  // address of the first row of U and V, side by side; 0: BGR, interleaved
    int pitch;                  // bytes from one row to the next
    int left, top, width, height;     // of the part
    int target_width, target_height;  // what it is scaled to
    int first_row, rows;              // which rows of that to make
    int colour;                       // how NV12 becomes BGR, see colour.cuh
};

// How much of a source pixel a target pixel covers, of `target` in all. Both are counted from the part's edge.
DEVICE int covered(int pixel, int number, int source, int target) {
    const int from = pixel * target > number * source ? pixel * target : number * source;
    const int to = (pixel + 1) * target < (number + 1) * source ? (pixel + 1) * target : (number + 1) * source;
    return to - from;
}

KERNEL void part(Part part, u8* out) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= part.target_width || row >= part.rows) return;
    const int y = part.first_row + row;
    const int x0 = x * part.width / part.target_width, y0 = y * part.height / part.target_height;
    const int x1 = ((x + 1) * part.width - 1) / part.target_width, y1 = ((y + 1) * part.height - 1) / part.target_height;
    unsigned long long sums[3] = {0, 0, 0};
    for (int j = y0; j <= y1; ++j) {
        const u8* luma = (const u8*)part.luma + (long long)(part.top + j) * part.pitch;
        const u8* chroma = (const u8*)part.chroma + (long long)((part.top + j) >> 1) * part.pitch;
        unsigned line[3] = {0, 0, 0};
        for (int i = x0; i <= x1; ++i) {
            const int at = part.left + i, weight = covered(i, x, part.width, part.target_width);
            int bgr[3];
            if (part.chroma) {
                nv12_to_bgr(luma[at], chroma[at & ~1], chroma[at | 1], part.colour, bgr);
            } else {
                for (int c = 0; c < 3; ++c) bgr[c] = luma[3 * at + c];
            }
            for (int c = 0; c < 3; ++c) line[c] += weight * bgr[c];
        }
        const unsigned long long weight = covered(j, y, part.height, part.target_height);
        for (int c = 0; c < 3; ++c) sums[c] += weight * line[c];
    }
    const unsigned long long area = (unsigned long long)part.width * part.height;
    u8* pixel = out + ((long long)row * part.target_width + x) * 3;
    for (int c = 0; c < 3; ++c) pixel[c] = (u8)((sums[c] + area / 2) / area);
}

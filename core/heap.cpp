#include "core/heap.hpp"

#include <malloc.h>

#include <algorithm>

namespace enduring::core {

void HeapTrimmer::look() {
    const struct mallinfo2 heap = mallinfo2();
    trimmed_bytes_ = std::min(trimmed_bytes_, heap.fordblks);
    if (heap.fordblks - trimmed_bytes_ > free_bytes_min && heap.fordblks > heap.uordblks) {
        malloc_trim(0);
        trimmed_bytes_ = mallinfo2().fordblks;
        ++trims_;
    }
}

}  // namespace enduring::core

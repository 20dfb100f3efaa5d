#include "core/heap.hpp"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace enduring::core {

namespace {

// What the system has given to this process, proc(5); 0 where it does not say.
std::size_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::size_t total = 0;
    std::size_t resident = 0;
    file >> total >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Resident, and not in use by the heap: its free pieces, code, stacks, rings and buffers.
std::size_t unused_bytes(const struct mallinfo2& heap) {
    const std::size_t resident = resident_bytes();
    return resident - std::min(resident, heap.uordblks + heap.hblkhd);
}

}  // namespace

void HeapTrimmer::look() {
    const struct mallinfo2 heap = mallinfo2();
    if (heap.fordblks <= free_bytes_min || heap.fordblks <= heap.uordblks) {
        return;
    }
    // What was given back still counts as free in the heap, but is not resident.
    if (unused_bytes(heap) > other_bytes_ + free_bytes_min) {
        malloc_trim(0);
        other_bytes_ = unused_bytes(mallinfo2());
        ++trims_;
    }
}

}  // namespace enduring::core

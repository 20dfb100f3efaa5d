// The one thing about frames that is a thread's own.
#include "http/frame_pool.hpp"

namespace enduring::http {

FramePool*& FramePool::current() noexcept {
    thread_local FramePool* pool = nullptr;
    return pool;
}

}  // namespace enduring::http

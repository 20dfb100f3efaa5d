// Counts request heads for the floor, as cheaply as can be and knowing nothing of HTTP but how a
// head ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bench {

// Counts the ends of heads in streams that arrive in pieces. Clients repeat themselves, so bytes
// that equal the last head are known to end one without another look at each of them.
class HeadCounter {
  public:
    // The window holds the run of CR and LF that the stream stands in, and is zero outside of one.
    unsigned count(std::uint32_t& window, const unsigned char* bytes, std::size_t size) {
        unsigned heads = 0;
        for (std::size_t begin = 0; begin < size; ++heads) {
            bool whole = window == 0;
            if (whole && repeats(bytes + begin, size - begin)) {
                begin += last_size_;
                continue;
            }
            std::size_t end = find_end(window, bytes, begin, size);
            if (end == 0) {
                break;
            }
            if (whole && end - begin <= sizeof last_) {
                last_size_ = end - begin;
                std::memcpy(last_, bytes + begin, last_size_);
            }
            begin = end;
        }
        return heads;
    }

    // Where the first terminator ends; 0 when there is none.
    static std::size_t find_end(std::uint32_t& window, const unsigned char* bytes,
                                std::size_t begin, std::size_t size) {
        for (std::size_t i = begin; i < size; ++i) {
            if (window == 0) {
                const void* next = std::memchr(bytes + i, '\r', size - i);
                if (next == nullptr) {
                    return 0;
                }
                i = static_cast<std::size_t>(static_cast<const unsigned char*>(next) - bytes);
            }
            window = bytes[i] == '\r' || bytes[i] == '\n' ? window << 8 | bytes[i] : 0;
            if (window == 0x0d0a0d0a) {
                window = 0;
                return i + 1;
            }
        }
        return 0;
    }

  private:
    bool repeats(const unsigned char* bytes, std::size_t size) const {
        return last_size_ != 0 && size >= last_size_ && std::memcmp(bytes, last_, last_size_) == 0;
    }

    unsigned char last_[1024];
    std::size_t last_size_ = 0;
};

}  // namespace bench

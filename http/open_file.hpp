// The owner of a descriptor.
#pragma once

#include <unistd.h>

namespace enduring::http {

/// An open descriptor, or a negative number for none; closed when its last owner goes.
class OpenFile {
  public:
    explicit OpenFile(int descriptor) noexcept : descriptor_(descriptor) {}
    ~OpenFile() {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    [[nodiscard]] int get() const noexcept { return descriptor_; }

  private:
    int descriptor_;
};

}  // namespace enduring::http

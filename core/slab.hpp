// A fixed number of slots for objects that come and go. Each slot counts its lives, so that a token
// of an earlier life finds nothing. Pure; not thread-safe; one per worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "core/check.hpp"
#include "core/token.hpp"

namespace enduring::core {

/// Addresses are stable. Memory for all slots is reserved at once but only touched as slots are
/// first used; the last freed slot is the first to be used again, so the hot ones stay few.
template <class T>
class Slab {
  public:
    explicit Slab(std::uint32_t capacity)
        : capacity_(capacity), slots_(std::allocator<Slot>().allocate(capacity)) {
        ENDURING_CHECK(capacity > 0 && capacity <= slot_limit, "slab capacity out of range");
    }

    ~Slab() {
        for (std::uint32_t i = 0; i < touched_; ++i) {
            if (slots_[i].is_live()) {
                slots_[i].value()->~T();
            }
            slots_[i].~Slot();
        }
        std::allocator<Slot>().deallocate(slots_, capacity_);
    }

    Slab(const Slab&) = delete;
    Slab& operator=(const Slab&) = delete;

    /// Builds a T in a free slot. There must be one: see full().
    template <class... Arguments>
    std::uint32_t acquire(Arguments&&... arguments) {
        ENDURING_CHECK(!full(), "slab is full");
        std::uint32_t index = free_;
        if (index != none) {
            free_ = slots_[index].next_free;
        } else {
            index = touched_++;
            ::new (static_cast<void*>(&slots_[index])) Slot();
        }
        Slot& slot = slots_[index];
        ::new (static_cast<void*>(slot.bytes)) T(std::forward<Arguments>(arguments)...);
        slot.next_free = in_use;
        ++live_;
        return index;
    }

    /// Destroys the object; tokens of this life find nothing from now on.
    void release(std::uint32_t index) {
        ENDURING_CHECK(is_live(index), "slot released twice");
        Slot& slot = slots_[index];
        slot.value()->~T();
        ++slot.generation;
        slot.next_free = free_;
        free_ = index;
        --live_;
    }

    /// The object of that slot if it still lives the same life, else null.
    [[nodiscard]] T* find(std::uint32_t index, std::uint32_t generation) noexcept {
        if (index >= touched_) {
            return nullptr;
        }
        Slot& slot = slots_[index];
        return slot.is_live() && slot.generation == generation ? slot.value() : nullptr;
    }

    /// The object of a slot that is known to be live.
    [[nodiscard]] T& at(std::uint32_t index) noexcept {
        ENDURING_CHECK(is_live(index), "slot is not live");
        return *slots_[index].value();
    }

    [[nodiscard]] std::uint32_t generation(std::uint32_t index) const noexcept {
        return slots_[index].generation;
    }
    [[nodiscard]] bool is_live(std::uint32_t index) const noexcept {
        return index < touched_ && slots_[index].is_live();
    }
    [[nodiscard]] bool full() const noexcept { return live_ == capacity_; }
    [[nodiscard]] std::uint32_t live() const noexcept { return live_; }
    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }
    /// Slots at or above this index have never been used.
    [[nodiscard]] std::uint32_t touched() const noexcept { return touched_; }

  private:
    static constexpr std::uint32_t none = ~0U;
    static constexpr std::uint32_t in_use = none - 1;  // in place of the next free slot

    struct Slot {
        alignas(T) std::byte bytes[sizeof(T)];
        std::uint32_t generation = 0;
        std::uint32_t next_free = none;

        [[nodiscard]] bool is_live() const noexcept { return next_free == in_use; }
        T* value() noexcept { return std::launder(reinterpret_cast<T*>(bytes)); }
    };

    std::uint32_t capacity_;
    Slot* slots_;
    std::uint32_t touched_ = 0;
    std::uint32_t live_ = 0;
    std::uint32_t free_ = none;
};

}  // namespace enduring::core

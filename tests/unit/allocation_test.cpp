// That a request which is answered at once costs no allocation. This file counts the allocations of
// the whole test program; the counting operators end in malloc() and free(), so that sanitizers see
// each of them as before.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "session_fixture.hpp"

namespace {

// Of this thread: GoogleTest's own threads do not count.
thread_local std::uint64_t allocations = 0;
thread_local std::uint64_t failing = 0;  // its number; 0: none

bool fails() noexcept {
    if (++allocations != failing) {
        return false;
    }
    failing = 0;
    return true;
}

void* allocate_or_null(std::size_t size) noexcept {
    return fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
}

void* allocate(std::size_t size) {
    void* const memory = allocate_or_null(size);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

void* allocate_aligned(std::size_t size, std::size_t alignment) {
    void* const memory =
        fails() ? nullptr
                : std::aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

}  // namespace

std::uint64_t enduring::allocation_count() noexcept { return allocations; }
void enduring::fail_allocation(std::uint64_t number) noexcept {
    failing = number == 0 ? 0 : allocations + number;
}
bool enduring::failure_is_ahead() noexcept { return failing != 0; }

// All forms, since a sanitizer's own ones do not call these.
void* operator new(std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocate_or_null(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return allocate_or_null(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate_aligned(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate_aligned(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace enduring::http {
namespace {

class AllocationTest : public SessionFixture {
  protected:
    void SetUp() override {
        router_.get("/", [](const Request&, Responder responder) {
            responder.send(Status::ok, "text/plain", "Hello, World!");
        });
        router_.get("/users/{id}", [](const Request& request, Responder responder) {
            responder.send(std::move(Response()
                                         .content_type("text/plain")
                                         .field("X-Id", request.parameter("id"))
                                         .content(request.field("User-Agent").value_or(""))));
        });
        router_.post("/echo", [](const Request& request, Responder responder) {
            responder.send(Status::ok, "text/plain", request.content());
        });
        start();
    }

    /// Gives the bytes as the loop does and takes the answers off the output; the allocations of
    /// that. The answers are only counted, since keeping them would allocate.
    std::uint64_t allocations_of(TestConnection& connection, std::string_view bytes) {
        const std::uint64_t before = allocations;
        const core::Progress progress =
            service_->receive(connection.session, connection.output, bytes);
        std::array<core::Slice, 64> slices;
        while (!connection.output.empty()) {
            const std::size_t count = connection.output.gather(slices);
            for (std::size_t i = 0; i < count; ++i) {
                sent_ += slices[i].size;
                connection.output.consume(slices[i].size, pool_);
            }
        }
        const std::uint64_t after = allocations;
        EXPECT_EQ(progress.need, expected_need_);
        return after - before;
    }

    static std::string get(const std::string& path) {
        return "GET " + path +
               " HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: a client of usual length\r\n"
               "Accept: */*\r\nConnection: keep-alive\r\n\r\n";
    }

    std::uint64_t sent_ = 0;
    core::Need expected_need_ = core::Need::request;
};

TEST_F(AllocationTest, TheCountingCounts) {
    const std::uint64_t before = allocations;
    const auto small = std::make_unique<int>(1);
    const auto array = std::make_unique<char[]>(100);
    struct alignas(128) Aligned {
        char bytes[128];
    };
    const auto aligned = std::make_unique<Aligned>();
    EXPECT_EQ(allocations - before, 3U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(aligned.get()) % 128, 0U);
    EXPECT_NE(static_cast<void*>(small.get()), static_cast<void*>(array.get()));
}

TEST_F(AllocationTest, ARequestThatRepeatsItselfAllocatesNothing) {
    TestConnection& c = connect();
    const std::string request = get("/");
    allocations_of(c, request);
    sent_ = 0;
    std::uint64_t count = 0;
    for (unsigned i = 0; i < 500; ++i) {
        count += allocations_of(c, request);
    }
    EXPECT_EQ(count, 0U);
    EXPECT_EQ(sent_, 500 * text("200 OK", "Hello, World!").size());
}

TEST_F(AllocationTest, RequestsThatDifferAllocateNothing) {
    TestConnection& c = connect();
    std::vector<std::string> requests;
    for (unsigned i = 0; i < 200; ++i) {
        requests.push_back(get("/users/" + std::to_string(1000 + i)));
    }
    for (unsigned i = 0; i < 20; ++i) {
        allocations_of(c, requests[i]);
    }
    std::uint64_t count = 0;
    for (const std::string& request : requests) {
        count += allocations_of(c, request);
    }
    EXPECT_EQ(count, 0U);
    EXPECT_GT(sent_, 200U * 100);
}

TEST_F(AllocationTest, APipelinedBatchAllocatesNothing) {
    TestConnection& c = connect();
    std::string same;
    std::string different;
    for (unsigned i = 0; i < 16; ++i) {
        same += get("/");
        different += get("/users/" + std::to_string(i));
    }
    for (const std::string& batch : {same, different}) {
        allocations_of(c, batch);
        std::uint64_t count = 0;
        for (unsigned i = 0; i < 20; ++i) {
            count += allocations_of(c, batch);
        }
        EXPECT_EQ(count, 0U);
    }
}

TEST_F(AllocationTest, ANewConnectionAllocatesNothing) {
    const std::string request = get("/");
    allocations_of(connect(), request);
    std::uint64_t count = 0;
    for (unsigned i = 0; i < 50; ++i) {
        TestConnection& c = connect();
        count += allocations_of(c, request);
    }
    EXPECT_EQ(count, 0U);
}

TEST_F(AllocationTest, ASmallContentThatArrivesWithItsHeadAllocatesNothing) {
    TestConnection& c = connect();
    const std::string request = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    for (unsigned i = 0; i < 10; ++i) {
        allocations_of(c, request);
    }
    std::uint64_t count = 0;
    for (unsigned i = 0; i < 200; ++i) {
        count += allocations_of(c, request);
    }
    EXPECT_EQ(count, 0U);
}

TEST_F(AllocationTest, ARequestInTwoPiecesAllocatesNothingOnceItIsWarm) {
    TestConnection& c = connect();
    const std::string request = get("/users/7");
    std::uint64_t count = 0;
    for (unsigned i = 0; i < 200; ++i) {
        count = i == 50 ? 0 : count;
        expected_need_ = core::Need::head;
        count += allocations_of(c, std::string_view(request).substr(0, 60));
        expected_need_ = core::Need::request;
        count += allocations_of(c, std::string_view(request).substr(60));
    }
    EXPECT_EQ(count, 0U);
}

}  // namespace
}  // namespace enduring::http

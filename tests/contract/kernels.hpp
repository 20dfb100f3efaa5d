// The real kernel and the simulated one, each with a listener and clients, behind the same
// functions, so that the same test can ask both.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/buffer_ring.hpp"
#include "core/listener.hpp"
#include "core/ring.hpp"
#include "simulation/faults.hpp"
#include "simulation/network.hpp"
#include "simulation/ring.hpp"
#include "simulation/timeline.hpp"

namespace enduring::contract {

inline constexpr std::uint32_t buffer_count = 4;
inline constexpr std::uint32_t buffer_bytes = 256;
inline constexpr std::uint16_t buffer_group = 0;
/// Submissions of the ring.
inline constexpr std::uint32_t submissions = 64;

/// What a client finds when it reads.
struct Heard {
    enum class End : std::uint8_t { open, finished, reset };
    std::string bytes{};
    End end = End::open;
};

/// core::Ring and TCP over the loopback interface.
class RealKernel {
  public:
    static constexpr bool simulated = false;
    using Ring = core::Ring;

    RealKernel();
    ~RealKernel();

    [[nodiscard]] Ring& ring() noexcept { return *ring_; }
    [[nodiscard]] core::BufferRing& buffers() noexcept { return buffers_; }
    /// Submits, and waits for at most so long that something completes.
    void wait(std::uint64_t timeout_ms, std::uint32_t completions = 1);

    [[nodiscard]] int listener() const noexcept { return listener_; }
    [[nodiscard]] int open_file(std::uint32_t pattern, std::uint64_t size);

    // Clients, numbered as they come.
    std::size_t connect();
    void send(std::size_t client, std::string_view bytes);
    void finish(std::size_t client);
    void reset(std::size_t client);
    void leave(std::size_t client);
    /// What has come so far; waits for something if nothing has.
    Heard read(std::size_t client);

  private:
    core::BufferRing buffers_{buffer_count, buffer_bytes};  // the ring refers to it
    std::unique_ptr<core::Ring> ring_;
    std::uint16_t port_ = 0;
    int listener_ = -1;
    std::vector<int> clients_;
    std::vector<int> files_;
};

/// simulation::Ring, without faults.
class SimulatedKernel : private simulation::Actors {
  public:
    static constexpr bool simulated = true;
    using Ring = simulation::Ring;

    SimulatedKernel();

    [[nodiscard]] Ring& ring() noexcept { return ring_; }
    [[nodiscard]] core::BufferRing& buffers() noexcept { return buffers_; }
    void wait(std::uint64_t timeout_ms, std::uint32_t completions = 1);

    [[nodiscard]] int listener() const noexcept { return listener_; }
    [[nodiscard]] int open_file(std::uint32_t pattern, std::uint64_t size);

    std::size_t connect();
    void send(std::size_t client, std::string_view bytes);
    void finish(std::size_t client);
    void reset(std::size_t client);
    void leave(std::size_t client);
    Heard read(std::size_t client);

  private:
    void on_event(const simulation::Timeline::Entry&) override {}

    simulation::Timeline timeline_;
    simulation::Faults faults_{1, ~simulation::FaultSet{0}};
    simulation::Network network_{timeline_, faults_};
    simulation::RingPlan plan_{.submissions = submissions};
    Ring ring_{plan_, timeline_, network_, faults_, *this};
    core::BufferRing buffers_{buffer_count, buffer_bytes};
    int listener_ = -1;
};

}  // namespace enduring::contract

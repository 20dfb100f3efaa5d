// A simulated client: connects, sends its requests in its manner, reads in its manner, leaves. What
// it gets is judged elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "simulation/exchange.hpp"
#include "simulation/judge.hpp"
#include "simulation/manner.hpp"

namespace enduring::simulation {

/// Not thread-safe; stays where it is.
class Client {
  public:
    Client(Scene& scene, std::uint32_t number);
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// An appointment; life tells which.
    void act(std::uint32_t life);
    /// Something may be there to read.
    void read();

    /// The server has ended: nobody may still wait for anything.
    void end_of_run();

    [[nodiscard]] bool done() const noexcept { return done_; }
    /// When it last sent or got something.
    [[nodiscard]] std::uint64_t progress_us() const noexcept { return progress_us_; }
    /// What it waits for.
    [[nodiscard]] std::string text() const;

  private:
    void connect();
    void write();
    bool write_piece();
    void leave();
    void reset();
    void act_at(std::uint64_t at_us);
    [[nodiscard]] bool may_begin() const noexcept;
    [[nodiscard]] std::size_t end_of(std::size_t exchange) const noexcept;
    [[nodiscard]] std::uint64_t now_us() const noexcept { return scene_.timeline.now_us(); }

    Scene& scene_;
    std::uint32_t number_;
    Manner manner_;
    std::vector<Exchange> exchanges_;
    std::uint64_t connect_us_ = 0;
    std::uint64_t progress_us_ = 0;
    std::uint32_t listener_ = 0;
    std::uint32_t socket_;
    Judge judge_;
    std::uint32_t life_ = 0;
    std::uint64_t appointment_us_ = Timeline::never;
    std::size_t sending_ = 0;                     // the exchange whose request is being sent
    std::size_t sent_ = 0;                        // bytes of it
    std::uint64_t next_us_ = 0;                   // not before may the next piece be sent
    std::uint64_t content_us_ = Timeline::never;  // then the content is sent unasked
    bool connected_ = false;
    bool all_sent_ = false;
    bool done_ = false;
};

}  // namespace enduring::simulation

// The reference model of one connection: reads what the client gets, and knows what it must get.
// Every answer is the right one, whole and in order; or the connection ends, and something that
// the client or the plan of the run did is a good reason for it. It knows nothing of the server's
// code: only settings, and what was sent and received when.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/testing.hpp"
#include "simulation/chunks.hpp"
#include "simulation/exchange.hpp"
#include "simulation/manner.hpp"
#include "simulation/network.hpp"
#include "simulation/plan.hpp"
#include "simulation/timeline.hpp"

namespace enduring::simulation {

class Workload;

/// What all clients see of the run.
struct Scene {
    const Plan& plan;
    Workload& workload;
    Timeline& timeline;
    Network& network;
    std::uint64_t drain_us = Timeline::never;         ///< when the server was told to stop
    std::uint64_t drain_run_us = 0;                   ///< ... by the time that it has run
    std::uint64_t second_drain_us = Timeline::never;  ///< ... at once
    std::uint64_t answers = 0;                        ///< responses that clients got
};

class Judge {
  public:
    Judge(Scene& scene, std::uint32_t client, std::uint32_t socket, const Manner& manner,
          std::vector<Exchange>& exchanges)
        : scene_(scene), client_(client), socket_(socket), manner_(manner), exchanges_(exchanges) {}

    void on_connected() noexcept { connect_us_ = scene_.timeline.now_us(); }
    /// Bytes of the request have come to the server's kernel: those from begin to end.
    void on_sent(std::size_t exchange, std::size_t begin, std::size_t end);
    /// The client has said that it will send no more.
    void on_finished() noexcept { finished_ = true; }
    /// Bytes have come to the client.
    void take(std::string_view bytes);
    /// The server has closed, or reset, the connection.
    void end(bool reset);

    /// Responses that are complete.
    [[nodiscard]] std::size_t answered() const noexcept { return answered_; }
    [[nodiscard]] bool said_close() const noexcept { return said_close_; }
    /// 100 has come for the exchange that is to be answered next.
    [[nodiscard]] bool may_continue() const noexcept { return continues_ == answered_ + 1; }
    [[nodiscard]] bool in_response() const noexcept { return in_content_ || !head_.empty(); }

  private:
    void take_head();
    void take_content(std::string_view& bytes);
    struct ResponseHead;
    static const char* read_head(std::string_view text, ResponseHead& head);
    void judge_head(const ResponseHead& head);
    void expect_known(const Exchange& exchange, const ResponseHead& head);
    void expect_any(const Exchange& exchange, const ResponseHead& head);
    void take_known(std::string_view& bytes);
    void take_any(std::string_view& bytes);
    void finish_any();
    void finish_response();
    [[nodiscard]] bool handler_timed_out(const Exchange& exchange) const;
    [[nodiscard]] bool may_break_off(const Exchange& exchange) const;
    [[nodiscard]] bool refusal_is_right(const Exchange& exchange, unsigned status) const;
    [[nodiscard]] bool timed_out(const Exchange& exchange) const;
    [[nodiscard]] bool close_is_right() const;
    [[nodiscard]] bool may_be_cut() const;
    [[nodiscard]] bool may_be_reset() const;
    [[nodiscard]] bool may_be_unanswered(const Exchange& exchange) const;
    void judge_idle_end() const;
    [[nodiscard]] bool is_late(std::uint64_t at_us, std::uint64_t since_us,
                               std::uint64_t limit_ms) const noexcept;
    [[nodiscard]] bool draining() const noexcept { return scene_.drain_us != Timeline::never; }
    [[nodiscard]] bool aborted() const noexcept;
    [[noreturn]] void wrong(const char* what, std::string_view details = {}) const;

    Scene& scene_;
    std::uint32_t client_;
    std::uint32_t socket_;
    const Manner& manner_;
    std::vector<Exchange>& exchanges_;
    std::uint64_t connect_us_ = 0;
    std::uint64_t received_ = 0;     // bytes
    std::uint64_t answers_end_ = 0;  // ... up to the end of the last complete response
    std::size_t answered_ = 0;
    std::size_t continues_ = 0;  // the exchange for which 100 came, plus one
    std::string head_;
    std::string_view content_;  // of the response that comes, what is still expected
    std::string_view perhaps_;  // content that may follow the last response, or not
    // How the content comes of a response that its exchange's verdict is about; else it is known.
    enum class Framing : std::uint8_t { known, sized, chunked, until_end };
    Framing framing_ = Framing::known;
    http::test::Response response_;
    std::uint64_t content_left_ = 0;
    Chunks chunks_;
    bool in_content_ = false;
    bool said_close_ = false;
    bool may_end_ = false;  // a request was perhaps answered before its content had come
    bool finished_ = false;
};

}  // namespace enduring::simulation

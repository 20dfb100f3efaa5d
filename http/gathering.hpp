// Gathers what workers tell in one worker's thread: all of it, or what has come within a time.
// Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>

#include "http/mailbox.hpp"
#include "http/survey.hpp"
#include "http/timers.hpp"

namespace enduring::http {

class Gathering;

/// The duty of one worker to tell. To be used in any thread, once; destroyed unused, as when the
/// worker has ended, it says that nothing will come.
class SurveyReply {
  public:
    SurveyReply(std::shared_ptr<Mailbox> mailbox, std::weak_ptr<Gathering> gathering,
                std::size_t worker) noexcept;
    SurveyReply(SurveyReply&& other) noexcept = default;
    SurveyReply& operator=(SurveyReply&& other) = delete;
    ~SurveyReply();

    void send(WorkerSurvey survey);

  private:
    void post(std::optional<WorkerSurvey> survey);

    std::shared_ptr<Mailbox> mailbox_;  // null: sent, or moved away
    // Only the gathering worker makes an owner of this, since what a gathering holds, a responder
    // for one, must be destroyed in that worker's thread.
    std::weak_ptr<Gathering> gathering_;
    std::size_t worker_;
};

/// Waits for the replies. It belongs to one of the timers of the worker that gathers, so that it
/// goes with that worker if it ends first.
class Gathering {
  public:
    using Done = std::move_only_function<void(Surveys)>;
    using Ask = std::function<void(std::size_t worker, SurveyReply reply)>;

    /// Calls ask for each worker. done is called once, in the thread of timers and mailbox, which
    /// are those of one worker and call this; never, if that ends first.
    static void begin(std::size_t workers, std::chrono::milliseconds patience, Timers& timers,
                      const std::shared_ptr<Mailbox>& mailbox, const Ask& ask, Done done);

    Gathering(std::size_t workers, Timers& timers, Done done);

  private:
    friend SurveyReply;

    void take(std::size_t worker, std::optional<WorkerSurvey> survey);
    void finish();

    Surveys surveys_;
    std::size_t awaited_;
    Timers& timers_;
    Timers::Id limit_;
    Done done_;
};

}  // namespace enduring::http

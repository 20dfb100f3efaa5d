#include "http/gathering.hpp"

#include <new>
#include <utility>

namespace enduring::http {

// ---- one worker's reply ------------------------------------------------------------------------

SurveyReply::SurveyReply(std::shared_ptr<Mailbox> mailbox, std::weak_ptr<Gathering> gathering,
                         std::size_t worker) noexcept
    : mailbox_(std::move(mailbox)), gathering_(std::move(gathering)), worker_(worker) {}

SurveyReply::~SurveyReply() {
    if (mailbox_ == nullptr) {
        return;
    }
    try {
        post(std::nullopt);
    } catch (const std::bad_alloc&) {
        mailbox_ = nullptr;  // it is not waited for without end
    }
}

void SurveyReply::send(WorkerSurvey survey) { post(std::move(survey)); }

void SurveyReply::post(std::optional<WorkerSurvey> survey) {
    mailbox_->post(
        [gathering = gathering_, worker = worker_, survey = std::move(survey)]() mutable {
            if (const auto found = gathering.lock()) {
                found->take(worker, std::move(survey));
            }
        });
    mailbox_ = nullptr;
}

// ---- all of them -------------------------------------------------------------------------------

Gathering::Gathering(std::size_t workers, Timers& timers, Done done)
    : surveys_(workers), awaited_(workers), timers_(timers), done_(std::move(done)) {}

void Gathering::begin(std::size_t workers, std::chrono::milliseconds patience, Timers& timers,
                      const std::shared_ptr<Mailbox>& mailbox, const Ask& ask, Done done) {
    const auto gathering = std::make_shared<Gathering>(workers, timers, std::move(done));
    gathering->limit_ = timers.after(patience, [gathering] { gathering->finish(); });
    for (std::size_t worker = 0; worker < workers; ++worker) {
        ask(worker, SurveyReply(mailbox, gathering, worker));
    }
}

void Gathering::take(std::size_t worker, std::optional<WorkerSurvey> survey) {
    surveys_[worker] = std::move(survey);
    if (--awaited_ == 0) {
        finish();
    }
}

// The caller owns this as well, so that it outlives its timer.
void Gathering::finish() {
    timers_.cancel(limit_);
    if (Done done = std::exchange(done_, nullptr)) {
        done(std::move(surveys_));
    }
}

}  // namespace enduring::http

#include "http/responder.hpp"

#include "core/check.hpp"

namespace enduring::http {

Responder& Responder::operator=(Responder&& other) noexcept {
    if (this != &other) {
        const Responder dropped(std::move(*this));
        exchanges_ = std::exchange(other.exchanges_, nullptr);
        connection_ = other.connection_;
        number_ = other.number_;
    }
    return *this;
}

Responder::~Responder() {
    if (exchanges_ != nullptr) {
        send(Status::internal_server_error, "text/plain", "500 Internal Server Error\n");
    }
}

void Responder::send(Response&& response) {
    ENDURING_CHECK(exchanges_ != nullptr, "a request was answered twice");
    std::exchange(exchanges_, nullptr)->answer(connection_, number_, std::move(response));
}

void Responder::send(Status status, std::string_view content_type, std::string_view content) {
    Response response(status);
    response.content_type(content_type).content(content);
    send(std::move(response));
}

ResponseStream Responder::begin(Response&& head, std::optional<std::uint64_t> size) && {
    ENDURING_CHECK(exchanges_ != nullptr, "a request was answered already");
    Exchanges& exchanges = *std::exchange(exchanges_, nullptr);
    exchanges.begin(connection_, number_, std::move(head), size);
    return {exchanges, connection_, number_};
}

RequestContent Responder::content() const {
    ENDURING_CHECK(exchanges_ != nullptr, "a responder that has answered knows no content");
    return {*exchanges_, connection_, number_};
}

void Responder::on_gone(EventFunction function) {
    ENDURING_CHECK(exchanges_ != nullptr, "a request was answered already");
    exchanges_->on_gone(connection_, number_, std::move(function));
}

RemoteResponder Responder::remote() && {
    ENDURING_CHECK(exchanges_ != nullptr, "a request was answered already");
    ENDURING_CHECK(exchanges_->mailbox() != nullptr, "nothing takes answers from other threads");
    Exchanges& exchanges = *std::exchange(exchanges_, nullptr);
    return {exchanges.mailbox(), exchanges, connection_, number_};
}

Timers& Responder::timers() const {
    ENDURING_CHECK(exchanges_ != nullptr, "a responder that has answered knows no timers");
    return exchanges_->timers();
}

Coroutines& Responder::coroutines() const {
    ENDURING_CHECK(exchanges_ != nullptr, "a responder that has answered knows no coroutines");
    return exchanges_->coroutines();
}

const std::shared_ptr<Mailbox>& Responder::mailbox() const {
    ENDURING_CHECK(exchanges_ != nullptr, "a responder that has answered knows no mailbox");
    return exchanges_->mailbox();
}

bool Responder::alive() const noexcept {
    return exchanges_ != nullptr && exchanges_->is_waiting(connection_, number_);
}

bool Responder::should_end() const noexcept {
    return exchanges_ == nullptr || exchanges_->should_end(connection_, number_);
}

}  // namespace enduring::http

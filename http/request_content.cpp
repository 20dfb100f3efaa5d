#include "http/request_content.hpp"

#include <utility>

#include "http/responder.hpp"

namespace enduring::http {

void RequestContent::on_piece(ContentFunction function) const {
    exchanges_->on_content(connection_, number_, std::move(function));
}

void RequestContent::pause() const { exchanges_->pause(connection_, number_, true); }

void RequestContent::resume() const { exchanges_->pause(connection_, number_, false); }

void RequestContent::serve_by(std::uint64_t coroutine) const {
    exchanges_->serve_by(connection_, number_, coroutine);
}

}  // namespace enduring::http

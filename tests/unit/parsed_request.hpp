// A request made from its text, for tests of what looks at requests.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "http/framing.hpp"
#include "http/parser.hpp"
#include "http/request.hpp"
#include "http/request_head.hpp"

namespace enduring::http {

/// Keeps everything that the request's views point to.
class ParsedRequest {
  public:
    explicit ParsedRequest(std::string text, std::string_view content = {},
                           std::span<const Parameter> parameters = {})
        : text_(std::move(text)), content_(content), parameters_(parameters) {
        HeadParser parser;
        outcome_ = parser.parse(head_, text_.data(), static_cast<std::uint32_t>(text_.size()), {});
        EXPECT_EQ(outcome_.kind, HeadParser::Outcome::Kind::complete) << text_;
        if (outcome_.kind == HeadParser::Outcome::Kind::complete) {
            framing_ = frame(head_, text_.data());
        }
    }
    ParsedRequest(const ParsedRequest&) = delete;
    ParsedRequest& operator=(const ParsedRequest&) = delete;

    [[nodiscard]] Request request() const {
        return {head_, text_.data(), framing_, content_, parameters_};
    }
    [[nodiscard]] const Framing& framing() const { return framing_; }

  private:
    std::string text_;
    std::string_view content_;
    std::span<const Parameter> parameters_;
    RequestHead head_;
    HeadParser::Outcome outcome_;
    Framing framing_;
};

}  // namespace enduring::http

// A response that outlives the texts that it was made of.
#include "http/owned_response.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace enduring::http {
namespace {

OwnedResponse make() {
    const std::string name = "X-Name";
    const std::string value = "a value that is longer than a short string";
    const std::string type = "text/x";
    const std::string content = "content";
    return OwnedResponse(std::move(Response(Status::created)
                                       .field(name, value)
                                       .field("B", "")
                                       .content_type(type)
                                       .content(std::string_view(content))
                                       .close()));
}

TEST(OwnedResponse, KeepsTheTexts) {
    OwnedResponse made = make();
    OwnedResponse moved(std::move(made));
    const Response response = moved.take();
    EXPECT_EQ(response.status(), Status::created);
    ASSERT_EQ(response.fields().size(), 2U);
    EXPECT_EQ(response.fields()[0].name, "X-Name");
    EXPECT_EQ(response.fields()[0].value, "a value that is longer than a short string");
    EXPECT_EQ(response.fields()[1].name, "B");
    EXPECT_EQ(response.fields()[1].value, "");
    EXPECT_EQ(response.content_type(), "text/x");
    EXPECT_EQ(std::get<std::string>(response.content()), "content");
    EXPECT_EQ(response.content_size(), 7U);
    EXPECT_TRUE(response.closes());
}

TEST(OwnedResponse, TakesContentsOver) {
    const auto owner = std::make_shared<std::string>("shared");
    OwnedResponse shared(
        std::move(Response().content(core::SharedPiece{owner->data(), owner->size(), owner})));
    const Response response = shared.take();
    EXPECT_EQ(std::get<core::SharedPiece>(response.content()).data, owner->data());
    EXPECT_FALSE(response.closes());

    std::string text(1'000, 'x');
    const char* const place = text.data();
    OwnedResponse own(std::move(Response().content(std::move(text))));
    const Response taken = own.take();
    EXPECT_EQ(std::get<std::string>(taken.content()).data(), place) << "not copied";
    EXPECT_EQ(taken.content_size(), 1'000U);

    OwnedResponse head(std::move(Response().content_size(123)));
    EXPECT_EQ(head.take().content_size(), 123U) << "as the answer to HEAD says";
}

}  // namespace
}  // namespace enduring::http

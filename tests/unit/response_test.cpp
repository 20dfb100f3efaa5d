// A response as a handler makes it.
#include "http/response.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace enduring::http {
namespace {

TEST(ResponseTest, BeginsEmpty) {
    Response response;
    EXPECT_EQ(response.status(), Status::ok);
    EXPECT_TRUE(response.fields().empty());
    EXPECT_EQ(response.content_type(), "");
    EXPECT_EQ(response.content_size(), 0U);
    EXPECT_FALSE(response.closes());
    EXPECT_EQ(std::get<std::string_view>(response.take_content()), "");
    EXPECT_EQ(Response(Status::created).status(), Status::created);
}

TEST(ResponseTest, KeepsFieldsInOrder) {
    Response response;
    response.field("A", "1").field("B", "2").content_type("text/plain").close();
    ASSERT_EQ(response.fields().size(), 2U);
    EXPECT_EQ(response.fields()[0].name, "A");
    EXPECT_EQ(response.fields()[0].value, "1");
    EXPECT_EQ(response.fields()[1].name, "B");
    EXPECT_EQ(response.content_type(), "text/plain");
    EXPECT_TRUE(response.closes());
}

TEST(ResponseTest, TheLastContentCounts) {
    Response response;
    response.content("text");
    EXPECT_EQ(response.content_size(), 4U);
    EXPECT_EQ(std::get<std::string_view>(response.take_content()), "text");
    response.content(std::string_view("a\0b", 3));
    EXPECT_EQ(response.content_size(), 3U);
    response.content(std::string(100, 'x'));
    EXPECT_EQ(response.content_size(), 100U);
    EXPECT_EQ(std::get<std::string>(response.take_content()), std::string(100, 'x'));
    const auto owner = std::make_shared<const std::string>("shared");
    response.content(core::SharedPiece{owner->data(), owner->size(), owner});
    EXPECT_EQ(response.content_size(), 6U);
    EXPECT_EQ(std::get<core::SharedPiece>(response.take_content()).data, owner->data());
    response.content(core::FilePiece{10, 1ULL << 40, owner, 7});
    EXPECT_EQ(response.content_size(), 1ULL << 40);
    EXPECT_EQ(std::get<core::FilePiece>(response.take_content()).descriptor, 7);
    response.content_size(12);
    EXPECT_EQ(response.content_size(), 12U);
    EXPECT_EQ(std::get<std::string_view>(response.take_content()), "");
    EXPECT_EQ(owner.use_count(), 1);
}

TEST(ResponseTest, HasRoomForItsMostFields) {
    Response response;
    for (std::size_t i = 0; i < FieldList::fields_max; ++i) {
        response.field("X", "y");
    }
    EXPECT_EQ(response.fields().size(), FieldList::fields_max);
}

TEST(ResponseDeathTest, MisuseIsABug) {
    Response full;
    for (std::size_t i = 0; i < FieldList::fields_max; ++i) {
        full.field("X", "y");
    }
    EXPECT_DEATH(full.field("X", "y"), "too many fields");
    Response response;
    EXPECT_DEATH(response.field("", "y"), "no token");
    EXPECT_DEATH(response.field("X:", "y"), "no token");
    EXPECT_DEATH(response.field("X\r\nY", "y"), "no token");
    EXPECT_DEATH(response.field("X Y", "y"), "no token");
}

}  // namespace
}  // namespace enduring::http

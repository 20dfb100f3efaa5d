// The names of the methods.
#include "http/method.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

namespace enduring::http {
namespace {

TEST(MethodTest, HasTheNameThatIsSent) {
    EXPECT_EQ(name_of(Method::get), "GET");
    EXPECT_EQ(name_of(Method::head), "HEAD");
    EXPECT_EQ(name_of(Method::post), "POST");
    EXPECT_EQ(name_of(Method::put), "PUT");
    EXPECT_EQ(name_of(Method::delete_), "DELETE");
    EXPECT_EQ(name_of(Method::options), "OPTIONS");
    EXPECT_EQ(name_of(Method::patch), "PATCH");
    EXPECT_EQ(name_of(Method::trace), "TRACE");
    EXPECT_EQ(name_of(Method::connect), "CONNECT");
    EXPECT_EQ(name_of(Method::other), "?");
}

TEST(MethodTest, CountsEveryMethodOnce) {
    std::set<std::string_view> names;
    for (unsigned i = 0; i < method_count; ++i) {
        names.insert(name_of(static_cast<Method>(i)));
    }
    EXPECT_EQ(names.size(), method_count);
    EXPECT_EQ(static_cast<unsigned>(Method::other) + 1, method_count);
}

}  // namespace
}  // namespace enduring::http

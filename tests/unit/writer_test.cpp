// The octets of responses, each combination by hand, and what the output is charged for them.
#include "http/writer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "http/preamble.hpp"

namespace enduring::http {
namespace {

using Connection = WriteContext::Connection;

constexpr std::string_view date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

class WriterTest : public testing::Test {
  protected:
    void TearDown() override {
        queue_.clear(pool_);
        EXPECT_EQ(pool_.output_bytes(), 0U) << "something was not given back";
    }

    void write(Response&& response, Connection connection = Connection::unsaid,
               bool head_only = false) {
        Preamble preamble;
        preamble.renew(response.status(), date, 1);
        write_response(queue_, pool_, std::move(response),
                       {.connection = connection,
                        .head_only = head_only,
                        .preamble = preamble.with_type(response.content_type())});
    }

    /// Takes everything up to the first file off the queue.
    std::string sent() {
        std::string bytes;
        for (;;) {
            std::array<core::Slice, 8> slices;
            const std::size_t count = queue_.gather(slices);
            if (count == 0) {
                return bytes;
            }
            std::size_t size = 0;
            for (std::size_t i = 0; i < count; ++i) {
                bytes.append(slices[i].data, slices[i].size);
                size += slices[i].size;
            }
            queue_.consume(size, pool_);
        }
    }

    /// What is written must be what is counted.
    std::string sent_all() {
        const std::uint64_t counted = queue_.size_bytes();
        std::string bytes = sent();
        EXPECT_EQ(bytes.size(), counted);
        EXPECT_TRUE(queue_.empty());
        EXPECT_EQ(queue_.size_bytes(), 0U);
        return bytes;
    }

    core::BlockPool pool_;
    core::SendQueue queue_;
};

std::string head(std::string_view status, std::string_view fields) {
    return "HTTP/1.1 " + std::string(status) + "\r\nServer: enduring\r\n" + std::string(date) +
           std::string(fields) + "\r\n";
}

TEST_F(WriterTest, WritesHeadAndContentInOneRun) {
    write(std::move(Response().content_type("text/plain").content("hello")));
    std::array<core::Slice, 8> slices;
    EXPECT_EQ(queue_.gather(slices), 1U);
    EXPECT_EQ(pool_.lent(), 1U);
    EXPECT_EQ(sent_all(),
              head("200 OK", "Content-Type: text/plain\r\nContent-Length: 5\r\n") + "hello");
}

TEST_F(WriterTest, AContentThatIsEmptyHasALengthToo) {
    write(Response(Status::not_found));
    EXPECT_EQ(sent_all(), head("404 Not Found", "Content-Length: 0\r\n"));
    write(std::move(Response().content(std::string())));
    EXPECT_EQ(sent_all(), head("200 OK", "Content-Length: 0\r\n"));
}

TEST_F(WriterTest, SaysWhatBecomesOfTheConnection) {
    write(std::move(Response().content("x")), Connection::close);
    EXPECT_EQ(sent_all(), head("200 OK", "Connection: close\r\nContent-Length: 1\r\n") + "x");
    write(std::move(Response().content("x")), Connection::keep_alive);
    EXPECT_EQ(sent_all(), head("200 OK", "Connection: keep-alive\r\nContent-Length: 1\r\n") + "x");
}

TEST_F(WriterTest, WritesFieldsInOrderAfterTheType) {
    write(std::move(Response(Status::created)
                        .field("Location", "/7")
                        .field("X-Empty", "")
                        .content_type("a/b")));
    EXPECT_EQ(sent_all(), head("201 Created",
                               "Content-Type: a/b\r\nLocation: /7\r\nX-Empty: \r\n"
                               "Content-Length: 0\r\n"));
}

TEST_F(WriterTest, AStatusWithoutAPhraseKeepsTheSpace) {
    write(Response(static_cast<Status>(299)));
    EXPECT_EQ(sent_all(), head("299 ", "Content-Length: 0\r\n"));
}

TEST_F(WriterTest, ATextThatWasTakenOverIsChargedUntilItIsSent) {
    write(std::move(Response().content(std::string(100'000, 'x'))));
    EXPECT_GE(pool_.output_bytes(), 100'000 + core::Block::size_bytes);
    queue_.consume(queue_.size_bytes() - 1, pool_);
    EXPECT_GE(pool_.output_bytes(), 100'000U);
    queue_.consume(1, pool_);
    EXPECT_EQ(pool_.output_bytes(), 0U);
}

TEST_F(WriterTest, KnowsWhatTakesMuchMemory) {
    const std::string small(16 * 1024, 'x');
    const std::string large(16 * 1024 + 1, 'x');
    const auto takes = [](Response&& response, bool head_only = false) {
        return takes_much_memory(response, head_only);
    };
    EXPECT_FALSE(takes(std::move(Response().content(std::string_view(small)))));
    EXPECT_FALSE(takes(std::move(Response().content(std::string(small)))));
    EXPECT_TRUE(takes(std::move(Response().content(std::string_view(large)))));
    EXPECT_TRUE(takes(std::move(Response().content(std::string(large)))));
    EXPECT_FALSE(takes(std::move(Response().content(std::string(large))), true)) << "HEAD";
    EXPECT_FALSE(takes(std::move(Response(Status::no_content).content(std::string(large)))));
    EXPECT_FALSE(takes(
        std::move(Response().content(core::SharedPiece{large.data(), large.size(), nullptr}))))
        << "somebody else keeps it";
    EXPECT_FALSE(takes(std::move(Response().content(core::FilePiece{0, 1 << 20, nullptr, 1}))));
}

// RFC 9110 §8.6 and §9.3.2: the length is that of GET, the content is not sent, whatever holds it.
TEST_F(WriterTest, TheAnswerToHeadHasTheLengthButNotTheContent) {
    const auto owner = std::make_shared<const std::string>(100'000, 's');
    write(std::move(Response().content("hello")), Connection::unsaid, true);
    EXPECT_EQ(sent_all(), head("200 OK", "Content-Length: 5\r\n"));
    write(std::move(Response().content(std::string(100'000, 'x'))), Connection::close, true);
    EXPECT_EQ(sent_all(), head("200 OK", "Connection: close\r\nContent-Length: 100000\r\n"));
    write(std::move(Response().content(core::SharedPiece{owner->data(), owner->size(), owner})),
          Connection::unsaid, true);
    EXPECT_EQ(sent_all(), head("200 OK", "Content-Length: 100000\r\n"));
    write(std::move(Response().content(core::FilePiece{0, 1ULL << 40, owner, 7})),
          Connection::unsaid, true);
    EXPECT_EQ(queue_.front_file(), nullptr);
    EXPECT_EQ(sent_all(), head("200 OK", "Content-Length: 1099511627776\r\n"));
    write(std::move(Response().content_size(~std::uint64_t{0})), Connection::unsaid, true);
    EXPECT_EQ(sent_all(), head("200 OK", "Content-Length: 18446744073709551615\r\n"));
    EXPECT_EQ(owner.use_count(), 1);
}

// RFC 9110 §8.6: no Content-Length in 1xx and 204; in 304 it may only be that of the 200, which a
// handler that answers 304 does not know.
TEST_F(WriterTest, StatusesThatForbidContentHaveNeitherContentNorLength) {
    const auto owner = std::make_shared<const std::string>(100'000, 's');
    for (const auto& [status, line] :
         {std::pair(Status::no_content, "204 No Content"),
          std::pair(Status::not_modified, "304 Not Modified"),
          std::pair(Status::switching_protocols, "101 Switching Protocols")}) {
        for (const bool head_only : {false, true}) {
            write(std::move(Response(status).field("ETag", "\"1\"").content("never sent")),
                  Connection::unsaid, head_only);
            EXPECT_EQ(sent_all(), head(line, "ETag: \"1\"\r\n"));
            write(std::move(Response(status).content(std::string(50'000, 'x'))), Connection::close,
                  head_only);
            EXPECT_EQ(sent_all(), head(line, "Connection: close\r\n"));
            write(std::move(Response(status).content(
                      core::SharedPiece{owner->data(), owner->size(), owner})),
                  Connection::keep_alive, head_only);
            EXPECT_EQ(sent_all(), head(line, "Connection: keep-alive\r\n"));
            write(std::move(Response(status).content(core::FilePiece{0, 9, owner, 7})),
                  Connection::unsaid, head_only);
            EXPECT_EQ(sent_all(), head(line, ""));
        }
    }
}

TEST_F(WriterTest, ControlCharactersInValuesBecomeSpaces) {
    std::string hostile;
    std::string harmless;
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        hostile += c;
        harmless += (byte < 32 && c != '\t') || byte == 127 ? ' ' : c;
    }
    write(std::move(Response().field("X", hostile).content_type(hostile)));
    EXPECT_EQ(sent_all(), head("200 OK", "Content-Type: " + harmless + "\r\nX: " + harmless +
                                             "\r\nContent-Length: 0\r\n"));
    write(std::move(Response().field("X", "a\r\nSet-Cookie: b=c\r\n\r\n")));
    EXPECT_EQ(sent_all(), head("200 OK", "X: a  Set-Cookie: b=c    \r\nContent-Length: 0\r\n"));
}

TEST_F(WriterTest, TheContentIsSentAsItIs) {
    std::string content;
    for (int byte = 0; byte < 256; ++byte) {
        content += static_cast<char>(byte);
    }
    write(std::move(Response().content(std::string_view(content))));
    EXPECT_EQ(sent_all(), head("200 OK", "Content-Length: 256\r\n") + content);
}

// The sizes around a block's payload, and around what is copied of a string that was given away.
TEST_F(WriterTest, ContentsOfAllSizesArriveWhole) {
    constexpr std::size_t block = core::Block::payload_bytes;
    std::mt19937 random(1);
    for (const std::size_t base : {std::size_t{0}, block - 200, block, 2 * block,
                                   std::size_t{16 * 1024}, std::size_t{64 * 1024}}) {
        for (std::size_t size = base < 70 ? 0 : base - 70; size < base + 70; ++size) {
            std::string content(size, '\0');
            for (char& c : content) {
                c = static_cast<char>(random());
            }
            const std::string expected =
                head("200 OK", "Content-Length: " + std::to_string(size) + "\r\n") + content;
            write(std::move(Response().content(std::string_view(content))));
            ASSERT_EQ(sent_all(), expected) << size;
            write(std::move(Response().content(std::string(content))));
            ASSERT_EQ(sent_all(), expected) << size;
            const auto owner = std::make_shared<const std::string>(content);
            write(std::move(Response().content(core::SharedPiece{owner->data(), size, owner})));
            ASSERT_EQ(sent_all(), expected) << size;
            ASSERT_EQ(owner.use_count(), 1) << size;
        }
    }
}

TEST_F(WriterTest, AStringThatIsLargeIsSentFromWhereItIs) {
    std::string content(100'000, 'x');
    const char* const data = content.data();
    write(std::move(Response().content(std::move(content))));
    EXPECT_EQ(pool_.lent(), 2U);
    std::array<core::Slice, 8> slices;
    ASSERT_EQ(queue_.gather(slices), 2U);
    EXPECT_EQ(slices[1].data, data);
    EXPECT_EQ(slices[1].size, 100'000U);
}

TEST_F(WriterTest, ASharedPieceIsSentFromWhereItIsAndKeptUntilThen) {
    const auto owner = std::make_shared<const std::string>("shared content");
    write(std::move(Response().content(core::SharedPiece{owner->data(), owner->size(), owner})));
    EXPECT_EQ(owner.use_count(), 2);
    std::array<core::Slice, 8> slices;
    ASSERT_EQ(queue_.gather(slices), 2U);
    EXPECT_EQ(slices[1].data, owner->data());
    EXPECT_EQ(sent_all(), head("200 OK", "Content-Length: 14\r\n") + *owner);
    EXPECT_EQ(owner.use_count(), 1);
}

TEST_F(WriterTest, AFileFollowsItsHead) {
    const auto owner = std::make_shared<int>();
    write(std::move(Response(Status::partial_content)
                        .content(core::FilePiece{1000, 5'000'000'000, owner, 42})));
    const std::string expected = head("206 Partial Content", "Content-Length: 5000000000\r\n");
    EXPECT_EQ(queue_.size_bytes(), expected.size() + 5'000'000'000);
    EXPECT_EQ(sent(), expected);
    const core::FilePiece* file = queue_.front_file();
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(file->descriptor, 42);
    EXPECT_EQ(file->offset, 1000U);
    EXPECT_EQ(file->size, 5'000'000'000U);
    EXPECT_EQ(owner.use_count(), 2);
    queue_.consume(5'000'000'000, pool_);
    EXPECT_TRUE(queue_.empty());
    EXPECT_EQ(owner.use_count(), 1);
}

TEST_F(WriterTest, AnEmptyFileOrSharedPieceLeavesNothingBehind) {
    const auto owner = std::make_shared<int>();
    write(std::move(Response().content(core::FilePiece{0, 0, owner, 42})));
    write(std::move(Response().content(core::SharedPiece{nullptr, 0, owner})));
    EXPECT_EQ(owner.use_count(), 1);
    const std::string one = head("200 OK", "Content-Length: 0\r\n");
    EXPECT_EQ(sent_all(), one + one);
}

// A head that is nearly a block, exactly a block and much larger.
TEST_F(WriterTest, AHeadMayBeLargerThanABlock) {
    const auto owner = std::make_shared<const std::string>("shared");
    for (std::size_t size = core::Block::payload_bytes - 300;
         size < core::Block::payload_bytes + 50; ++size) {
        const std::string value(size, 'v');
        write(std::move(Response().field("X", value).content("hello")));
        ASSERT_EQ(sent_all(),
                  head("200 OK", "X: " + value + "\r\nContent-Length: 5\r\n") + "hello");
    }
    const std::string value(50'000, 'v');
    const std::string long_type(9'000, 't');
    const std::string type = "Content-Type: " + long_type + "\r\n";
    const std::string fields = type + "X: " + value + "\r\n";
    const auto response = [&] {
        return std::move(Response().field("X", value).content_type(long_type));
    };
    write(std::move(response().content(std::string(9'000, 'x'))));
    EXPECT_EQ(sent_all(),
              head("200 OK", fields + "Content-Length: 9000\r\n") + std::string(9'000, 'x'));
    write(std::move(response().content(core::SharedPiece{owner->data(), owner->size(), owner})));
    EXPECT_EQ(sent_all(), head("200 OK", fields + "Content-Length: 6\r\n") + "shared");
    write(std::move(response().content("x")), Connection::close, true);
    EXPECT_EQ(sent_all(), head("200 OK", type + "Connection: close\r\nX: " + value +
                                             "\r\nContent-Length: 1\r\n"));
}

TEST_F(WriterTest, ResponsesFollowEachOtherInSharedBlocks) {
    std::string expected;
    for (unsigned i = 0; i < 100; ++i) {
        const std::string content(i, static_cast<char>('a' + i % 26));
        write(std::move(Response().content(std::string_view(content))));
        expected += head("200 OK", "Content-Length: " + std::to_string(i) + "\r\n") + content;
    }
    // Not more blocks than the bytes need, but for what is left over at the end of each.
    EXPECT_LE(pool_.lent(), expected.size() / (core::Block::payload_bytes - 300) + 1);
    EXPECT_EQ(sent_all(), expected);
}

TEST_F(WriterTest, WorksWithoutADate) {
    Preamble preamble;
    preamble.renew(Status::no_content, {}, 1);
    write_response(queue_, pool_, Response(Status::no_content),
                   {.connection = Connection::unsaid, .preamble = preamble.with_type({})});
    EXPECT_EQ(sent_all(), "HTTP/1.1 204 No Content\r\nServer: enduring\r\n\r\n");
}

TEST_F(WriterTest, SaysHowLongTheConnectionPersists) {
    Preamble preamble;
    preamble.renew(Status::no_content, {}, 1);
    const std::string begin =
        "HTTP/1.1 204 No Content\r\nServer: enduring\r\nConnection: keep-alive\r\n";
    WriteContext context{.connection = Connection::keep_alive, .preamble = preamble.with_type({})};
    const auto written = [&] {
        write_response(queue_, pool_, Response(Status::no_content), context);
        return sent_all();
    };
    EXPECT_EQ(written(), begin + "\r\n");
    context.keepalive_timeout_s = 75;
    EXPECT_EQ(written(), begin + "Keep-Alive: timeout=75\r\n\r\n");
    context.requests_left = 999;
    EXPECT_EQ(written(), begin + "Keep-Alive: timeout=75, max=999\r\n\r\n");
    context.keepalive_timeout_s = 0;
    EXPECT_EQ(written(), begin + "Keep-Alive: max=999\r\n\r\n");
    context.keepalive_timeout_s = context.requests_left = ~std::uint32_t{0};
    EXPECT_EQ(written(), begin + "Keep-Alive: timeout=4294967295, max=4294967295\r\n\r\n");
}

TEST_F(WriterTest, AContinueHasNoFields) {
    write_continue(queue_, pool_);
    EXPECT_EQ(sent_all(), "HTTP/1.1 100 Continue\r\n\r\n");
}

}  // namespace
}  // namespace enduring::http

// The chunked transfer coding: what is accepted, what is refused and after how many octets, and
// that no way of splitting it changes anything.
#include "http/chunked.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace enduring::http {
namespace {

using Outcome = ChunkedDecoder::Outcome;

struct Decoded {
    Outcome outcome = Outcome::more;
    std::size_t taken = 0;
    std::string content{};

    friend bool operator==(const Decoded&, const Decoded&) = default;
};

std::ostream& operator<<(std::ostream& out, const Decoded& decoded) {
    return out << "outcome " << static_cast<int>(decoded.outcome) << " after " << decoded.taken
               << " with '" << decoded.content << '\'';
}

/// Gives the bytes in pieces that end at the cuts and at the end, each in memory of its own.
Decoded decode(std::string_view bytes, const std::vector<std::size_t>& cuts = {}) {
    ChunkedDecoder decoder;
    Decoded decoded;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= cuts.size(); ++i) {
        const std::size_t end = i < cuts.size() ? cuts[i] : bytes.size();
        const auto moved = std::make_unique_for_overwrite<char[]>(end - begin);
        bytes.substr(begin, end - begin).copy(moved.get(), end - begin);
        std::string_view piece(moved.get(), end - begin);
        do {
            const ChunkedDecoder::Step step = decoder.decode(piece);
            decoded.outcome = step.outcome;
            decoded.taken += step.taken;
            decoded.content += step.content;
            piece.remove_prefix(step.taken);
            if (step.outcome == Outcome::complete || step.outcome == Outcome::invalid) {
                return decoded;
            }
        } while (decoded.outcome == Outcome::content);
        EXPECT_TRUE(piece.empty()) << "bytes were left although more were asked for";
        begin = end;
    }
    return decoded;
}

Decoded complete(std::size_t taken, std::string content) {
    return {Outcome::complete, taken, std::move(content)};
}

struct Good {
    std::string_view bytes;
    std::string_view content;
};

const std::vector<Good> good{
    {"0\r\n\r\n", ""},
    {"00000\r\n\r\n", ""},
    {"5\r\nhello\r\n0\r\n\r\n", "hello"},
    {"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"},
    {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
    {"0005\r\nhello\r\n000\r\n\r\n", "hello"},
    {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
    {"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"},
    // Extensions: RFC 9112 §7.1.1.
    {"1;a\r\nx\r\n0\r\n\r\n", "x"},
    {"1;a=b\r\nx\r\n0;c\r\n\r\n", "x"},
    {"1;a=b;c=d;e\r\nx\r\n0\r\n\r\n", "x"},
    {"1;a=\"b c\"\r\nx\r\n0\r\n\r\n", "x"},
    {"1;a=\"\"\r\nx\r\n0\r\n\r\n", "x"},
    {"1;a=\"b\\\"c\\\\\"\r\nx\r\n0\r\n\r\n", "x"},
    {"1;a=\"b;c=d\";e\r\nx\r\n0\r\n\r\n", "x"},
    {"1;a=\"\t~\\\t\"\r\nx\r\n0\r\n\r\n", "x"},
    {"1;a=\"b\x80\xff\\\xe9\"\r\nx\r\n0\r\n\r\n", "x"},
    {"1 ;a\r\nx\r\n0\r\n\r\n", "x"},
    {"1\t; \ta \t= \tb \t; c\r\nx\r\n0\r\n\r\n", "x"},
    {"1;a = \"b\" ;c\r\nx\r\n0\r\n\r\n", "x"},
    // Trailer fields: §7.1.2.
    {"0\r\nA: b\r\n\r\n", ""},
    {"0\r\nA:\r\n\r\n", ""},
    {"1\r\nx\r\n0\r\nA: b\r\nC-D:\te\x80 \r\n\r\n", "x"},
    {"0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", ""},
};

const std::vector<std::string_view> bad{
    // Sizes.
    "\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\t\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "5_0\r\n",
    "5,0\r\n",
    "5h\r\nhello\r\n0\r\n\r\n",
    "g\r\n",
    ";a\r\n",
    "\"5\"\r\nhello\r\n0\r\n\r\n",
    "5.0\r\nhello\r\n0\r\n\r\n",
    "5 5\r\nhello\r\n0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "10000000000000000\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "fffffffffffffffffffffffffffffff\r\n",
    "1000000000000000\r\n",
    // Ends of lines.
    "5\nhello\r\n0\r\n\r\n",
    "5\rhello\r\n0\r\n\r\n",
    "5\r\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello\r0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhellooo\r\n0\r\n\r\n",
    // One octet in the place of each CR and each LF.
    "5X\nhello\r\n0\r\n\r\n",
    "5\rXhello\r\n0\r\n\r\n",
    "5\r\nhelloX\n0\r\n\r\n",
    "5\r\nhello\rX0\r\n\r\n",
    "5\r\nhello\r\n0X\n\r\n",
    "5\r\nhello\r\n0\rX\r\n",
    "0\r\nA: b\rX\r\n",
    "5\r\nhell\r\n0\r\n\r\n",
    "0\n\r\n",
    "0\r\n\n",
    "0\r\n\rX",
    "\r\n5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n\r\n0\r\n\r\n",
    // Extensions.
    "1;\r\nx\r\n0\r\n\r\n",
    "1;;a\r\nx\r\n0\r\n\r\n",
    "1; \r\nx\r\n0\r\n\r\n",
    "1;a;\r\nx\r\n0\r\n\r\n",
    "1;=b\r\nx\r\n0\r\n\r\n",
    "1;a=\r\nx\r\n0\r\n\r\n",
    "1;a=;b\r\nx\r\n0\r\n\r\n",
    "1;a==b\r\nx\r\n0\r\n\r\n",
    "1;a=b=c\r\nx\r\n0\r\n\r\n",
    "1;a b\r\nx\r\n0\r\n\r\n",
    "1;a=b c\r\nx\r\n0\r\n\r\n",
    "1;a \r\nx\r\n0\r\n\r\n",
    "1;a=b \r\nx\r\n0\r\n\r\n",
    "1 a\r\nx\r\n0\r\n\r\n",
    "1;a\nx\r\n0\r\n\r\n",
    "1;a\rx\r\n0\r\n\r\n",
    "1;a=b\n",
    "1;a=\"b\r\nx\r\n0\r\n\r\n",
    "1;a=\"b\r\n\"\r\nx\r\n0\r\n\r\n",
    "1;a=\"b\n\"\r\nx\r\n0\r\n\r\n",
    "1;a=\"b\\\r\n\"\r\nx\r\n0\r\n\r\n",
    "1;a=\"b\"c\r\nx\r\n0\r\n\r\n",
    "1;a=b\"c\"\r\nx\r\n0\r\n\r\n",
    "1;a=\x80\r\nx\r\n0\r\n\r\n",
    "1;a=\"\\\x7f\"\r\nx\r\n0\r\n\r\n",
    "1;a=\"\x7f\"\r\nx\r\n0\r\n\r\n",
    "1;a=\"\x01\"\r\nx\r\n0\r\n\r\n",
    "1;a\x01\r\nx\r\n0\r\n\r\n",
    "1;\x80\r\nx\r\n0\r\n\r\n",
    "1;a=(\r\nx\r\n0\r\n\r\n",
    "0;\r\n\r\n",
    // Trailer fields.
    "0\r\nA\r\n\r\n",
    "0\r\n: b\r\n\r\n",
    "0\r\nA : b\r\n\r\n",
    "0\r\n A: b\r\n\r\n",
    "0\r\nA: b\r\n c\r\n\r\n",
    "0\r\nA: b\n\r\n",
    "0\r\nA: b\rc\r\n\r\n",
    "0\r\nA: \x01\r\n\r\n",
    "0\r\nA: \x7f\r\n\r\n",
    "0\r\nA(: b\r\n\r\n",
    "0\r\n\x80: b\r\n\r\n",
    "0\r\nGET / HTTP/1.1\r\n\r\n",
};

TEST(ChunkedTest, DecodesWhatIsGoodAndStopsAtItsEnd) {
    for (const Good& c : good) {
        EXPECT_EQ(decode(c.bytes), complete(c.bytes.size(), std::string(c.content))) << c.bytes;
        // What follows is the next message's.
        EXPECT_EQ(decode(std::string(c.bytes) + "GET / HTTP/1.1\r\n"),
                  complete(c.bytes.size(), std::string(c.content)))
            << c.bytes;
    }
}

TEST(ChunkedTest, RefusesWhatIsBad) {
    for (const std::string_view bytes : bad) {
        EXPECT_EQ(decode(bytes).outcome, Outcome::invalid) << bytes;
    }
    using namespace std::string_view_literals;
    EXPECT_EQ(decode("1;a=\"\0\"\r\nx\r\n0\r\n\r\n"sv).outcome, Outcome::invalid);
    EXPECT_EQ(decode("0\r\nA: \0\r\n\r\n"sv).outcome, Outcome::invalid);
    EXPECT_EQ(decode("1\0\r\nx"sv).outcome, Outcome::invalid);
}

TEST(ChunkedTest, EveryPrefixOfWhatIsGoodAsksForMore) {
    for (const Good& c : good) {
        for (std::size_t size = 0; size < c.bytes.size(); ++size) {
            const Decoded decoded = decode(c.bytes.substr(0, size));
            EXPECT_EQ(decoded.outcome, Outcome::more) << c.bytes << " cut at " << size;
            EXPECT_EQ(decoded.taken, size) << c.bytes;
            EXPECT_TRUE(c.content.starts_with(decoded.content)) << c.bytes;
        }
    }
}

TEST(ChunkedTest, EverySplitGivesTheSame) {
    std::vector<std::string_view> cases = bad;
    for (const Good& c : good) {
        cases.push_back(c.bytes);
    }
    for (const std::string_view bytes : cases) {
        const Decoded whole = decode(bytes);
        std::vector<std::size_t> every;
        for (std::size_t i = 1; i < bytes.size(); ++i) {
            every.push_back(i);
        }
        EXPECT_EQ(decode(bytes, every), whole) << bytes;
        for (std::size_t first = 1; first < bytes.size(); ++first) {
            for (std::size_t second = first; second < bytes.size(); ++second) {
                ASSERT_EQ(decode(bytes, {first, second}), whole)
                    << bytes << " cut at " << first << " and " << second;
            }
        }
    }
}

TEST(ChunkedTest, RandomContentsComeBackWhole) {
    std::mt19937 random(1);
    for (unsigned round = 0; round < 500; ++round) {
        std::string content;
        std::string bytes;
        for (auto count = random() % 6; count > 0; --count) {
            std::string chunk(random() % 300 + 1, '\0');
            for (char& c : chunk) {
                c = static_cast<char>(random());
            }
            constexpr std::string_view digits = "0123456789abcdef";
            std::string size;
            for (std::size_t left = chunk.size(); left > 0; left /= 16) {
                size.insert(0, 1, digits[left % 16]);
            }
            bytes += size + (random() % 2 == 0 ? ";ext=\"a b\"" : "") + "\r\n" + chunk + "\r\n";
            content += chunk;
        }
        bytes += "0\r\n\r\n";
        std::vector<std::size_t> cuts;
        for (std::size_t at = random() % 50 + 1; at < bytes.size(); at += random() % 50 + 1) {
            cuts.push_back(at);
        }
        ASSERT_EQ(decode(bytes, cuts), complete(bytes.size(), content)) << round;
    }
}

TEST(ChunkedTest, ContentIsGivenWithoutACopy) {
    const std::string bytes = "5\r\nhello\r\n";
    ChunkedDecoder decoder;
    const ChunkedDecoder::Step step = decoder.decode(bytes);
    EXPECT_EQ(step.outcome, Outcome::content);
    EXPECT_EQ(step.content.data(), bytes.data() + 3);
    EXPECT_EQ(step.content.size(), 5U);
    EXPECT_EQ(step.taken, 8U);
}

// The largest size that is accepted; no octet of it is there, so none is awaited in memory.
TEST(ChunkedTest, TheLargestSizeHasSixtyBits) {
    EXPECT_EQ(decode("fffffffffffffff\r\nabc"), (Decoded{Outcome::more, 20, "abc"}));
    EXPECT_EQ(decode("0000fffffffffffffff\r\nabc"), (Decoded{Outcome::more, 24, "abc"}));
    EXPECT_EQ(decode("1000000000000000\r\n").outcome, Outcome::invalid);
}

TEST(ChunkedTest, TellsWhatAChunkAnnounces) {
    ChunkedDecoder decoder;
    const auto announced_after = [&](std::string_view bytes) {
        EXPECT_NE(decoder.decode(bytes).outcome, Outcome::invalid);
        return decoder.announced_bytes();
    };
    EXPECT_EQ(decoder.announced_bytes(), 0U);
    EXPECT_EQ(announced_after("1f"), 0U);
    EXPECT_EQ(announced_after(";a\r\n"), 31U);
    EXPECT_EQ(announced_after("0123456789"), 21U);
    EXPECT_EQ(announced_after(std::string(21, 'x')), 0U);
    EXPECT_EQ(announced_after("\r\n0\r\n"), 0U);
}

TEST(ChunkedTest, StaysBrokenAndStaysEnded) {
    ChunkedDecoder broken;
    EXPECT_EQ(broken.decode("x").outcome, Outcome::invalid);
    EXPECT_EQ(broken.decode("0\r\n\r\n").outcome, Outcome::invalid);
    ChunkedDecoder ended;
    EXPECT_EQ(ended.decode("0\r\n\r\n").outcome, Outcome::complete);
    EXPECT_EQ(ended.decode("0\r\n\r\n").outcome, Outcome::invalid);
}

// ---- what may be spent on nothing --------------------------------------------------------------

constexpr std::size_t most = ChunkedDecoder::overhead_bytes_max;

TEST(ChunkedTest, AnExtensionHasABound) {
    EXPECT_EQ(decode("1;" + std::string(most - 100, 'a') + "\r\nx\r\n0\r\n\r\n").outcome,
              Outcome::complete);
    const Decoded endless = decode("1;" + std::string(2 * most, 'a'));
    EXPECT_EQ(endless.outcome, Outcome::invalid);
    EXPECT_LE(endless.taken, most + 2);
    EXPECT_EQ(decode("1;a=\"" + std::string(2 * most, 'a')).outcome, Outcome::invalid);
    EXPECT_EQ(decode("1" + std::string(2 * most, ' ')).outcome, Outcome::invalid);
}

TEST(ChunkedTest, AllExtensionsTogetherHaveABound) {
    std::string bytes;
    while (bytes.size() < 20 * most) {
        bytes += "1;aaaaaaaaaa\r\nx\r\n";
    }
    EXPECT_EQ(decode(bytes).outcome, Outcome::invalid);
}

TEST(ChunkedTest, LeadingZerosHaveABound) {
    const std::string zeros(ChunkedDecoder::size_digits_max - 1, '0');
    EXPECT_EQ(decode(zeros + "1\r\nx\r\n0\r\n\r\n").outcome, Outcome::complete);
    EXPECT_EQ(decode(zeros + "01\r\nx\r\n0\r\n\r\n").outcome, Outcome::invalid);
    EXPECT_EQ(decode(std::string(2 * most, '0')).outcome, Outcome::invalid);
}

TEST(ChunkedTest, TrailersHaveABound) {
    EXPECT_EQ(decode("0\r\nA: " + std::string(most - 100, 'b') + "\r\n\r\n").outcome,
              Outcome::complete);
    EXPECT_EQ(decode("0\r\nA: " + std::string(2 * most, 'b')).outcome, Outcome::invalid);
    std::string fields;
    while (fields.size() < 2 * most) {
        fields += "A: b\r\n";
    }
    EXPECT_EQ(decode("0\r\n" + fields).outcome, Outcome::invalid);
}

// A long content has many chunks: what their plain sizes cost must not add up to a refusal.
TEST(ChunkedTest, ManySmallChunksAreNoOverhead) {
    std::string bytes;
    std::string content;
    for (unsigned i = 0; i < 3 * most; ++i) {
        bytes += "00000001\r\nx\r\n";
        content += 'x';
    }
    bytes += "0\r\n\r\n";
    EXPECT_EQ(decode(bytes), complete(bytes.size(), content));
}

}  // namespace
}  // namespace enduring::http

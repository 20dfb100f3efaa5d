// Reads the command lines of the bench tools: `--name value` pairs and `--name` switches. It knows
// nothing of what the options mean; a wrong one ends the program with one line that says why.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

namespace bench {

[[noreturn]] inline void fail(std::string_view message) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
    std::exit(2);
}

class Arguments {
  public:
    Arguments(int count, char** values, std::string_view usage)
        : count_(count), values_(values), usage_(usage) {}

    // Steps to the next option; false when the command line is used up.
    bool next() {
        if (index_ + 1 >= count_) {
            return false;
        }
        name_ = values_[++index_];
        if (name_ == "--help") {
            std::printf("%.*s", static_cast<int>(usage_.size()), usage_.data());
            std::exit(0);
        }
        return true;
    }

    bool is(std::string_view name) const { return name_ == name; }

    std::string_view text() {
        if (index_ + 1 >= count_) {
            fail(std::string(name_) + " needs a value; see --help");
        }
        return values_[++index_];
    }

    template <std::unsigned_integral Number>
    Number number(Number min, Number max = std::numeric_limits<Number>::max()) {
        std::string_view value = text();
        Number parsed{};
        auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
        if (error != std::errc{} || end != value.data() + value.size() || parsed < min ||
            parsed > max) {
            fail(std::string(name_) + " wants a whole number from " + std::to_string(min) + " to " +
                 std::to_string(max) + ", not '" + std::string(value) + "'");
        }
        return parsed;
    }

    [[noreturn]] void unknown() const {
        fail("unknown option '" + std::string(name_) + "'; see --help");
    }

  private:
    int count_;
    char** values_;
    std::string_view usage_;
    std::string_view name_;
    int index_ = 0;
};

}  // namespace bench

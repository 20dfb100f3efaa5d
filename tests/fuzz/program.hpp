// Runs a program's command line in this process: its configuration file lies in memory, and what it
// prints is collected.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/format.hpp"
#include "http/command_line.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace enduring::http {

using Words = std::vector<std::string>;

// A file without a place in the file system.
class MemoryFile {
  public:
    MemoryFile() : descriptor_(::memfd_create("configuration", MFD_CLOEXEC)) {
        FUZZ_EXPECT(descriptor_ >= 0, "memfd_create");
    }
    ~MemoryFile() { ::close(descriptor_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    void write(std::string_view text) const {
        FUZZ_EXPECT(::ftruncate(descriptor_, 0) == 0, "ftruncate");
        const auto size = static_cast<ssize_t>(text.size());
        FUZZ_EXPECT(::pwrite(descriptor_, text.data(), text.size(), 0) == size, "pwrite");
    }
    [[nodiscard]] std::string path() const {
        return core::formatted("/proc/self/fd/{}", descriptor_);
    }

  private:
    int descriptor_;
};

// Collects what is printed; lets sanitizers, which do not use these, still be heard.
class Printed {
  public:
    Printed() : error_(::open_memstream(&bytes_, &size_)), old_error_(stderr) {
        stderr = error_;
        old_out_ = std::cout.rdbuf(out_.rdbuf());
    }
    ~Printed() {
        stderr = old_error_;
        std::cout.rdbuf(old_out_);
        std::fclose(error_);
        std::free(bytes_);
    }
    Printed(const Printed&) = delete;
    Printed& operator=(const Printed&) = delete;
    [[nodiscard]] std::string error() const {
        std::fflush(error_);
        return {bytes_, size_};
    }
    [[nodiscard]] std::string out() const { return out_.str(); }

  private:
    char* bytes_ = nullptr;
    std::size_t size_ = 0;
    std::FILE* error_;
    std::FILE* old_error_;
    std::ostringstream out_;
    std::streambuf* old_out_;
};

struct Parsed {
    std::optional<int> exit;
    Options options;
    std::string out;
    std::string error;
};

inline Parsed parse(const Words& words) {
    std::vector<const char*> arguments{"program"};
    for (const std::string& word : words) {
        arguments.push_back(word.c_str());
    }
    const Printed printed;
    CommandLine line("program", "Does something.");
    Parsed result;
    result.exit = line.parse(static_cast<int>(arguments.size()), arguments.data());
    result.options = line.options();
    result.out = printed.out();
    result.error = printed.error();
    return result;
}

/// The text is a file that --config names, before the words.
inline Parsed parse_file(std::string_view text, Words words = {}) {
    static const MemoryFile file;
    file.write(text);
    words.insert(words.begin(), "--config=" + file.path());
    return parse(words);
}

}  // namespace enduring::http

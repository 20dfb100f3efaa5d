#include "simulation/exchange.hpp"

namespace enduring::simulation {

std::string_view text_of_status(unsigned status) {
    switch (status) {
        case 400:
            return "400 Bad Request\n";
        case 404:
            return "404 Not Found\n";
        case 405:
            return "405 Method Not Allowed\n";
        case 408:
            return "408 Request Timeout\n";
        case 413:
            return "413 Content Too Large\n";
        case 414:
            return "414 URI Too Long\n";
        case 429:
            return "429 Too Many Requests\n";
        case 431:
            return "431 Request Header Fields Too Large\n";
        case 500:
            return "500 Internal Server Error\n";
        case 501:
            return "501 Not Implemented\n";
        case 503:
            return "503 Service Unavailable\n";
        case 505:
            return "505 HTTP Version Not Supported\n";
        default:
            return {};
    }
}

}  // namespace enduring::simulation

// Errors, and how exceptions travel through the library. Included by jaxvjp.hpp, which says what holds of all.
#ifndef JAXVJP_CPP_ERROR_HPP
#define JAXVJP_CPP_ERROR_HPP

#include <jaxvjp/jaxvjp.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace jaxvjp {

// What a call failed with. Copies share one report.
class Error final : public std::exception {
 public:
  Error(std::int32_t code, std::string message) : report_(std::make_shared<Report>()) {
    report_->code = code;
    report_->message = report_->text = std::move(message);
  }
  // Takes the error over. `text`: all of it, as jaxvjp_error_text gives it.
  Error(jaxvjp_error *error, std::string text) : report_(std::make_shared<Report>()) {
    report_->raw.reset(error);
    report_->text = std::move(text);
    report_->code = jaxvjp_error_code(error);
    report_->message = jaxvjp_error_message(error);
    if (const char *file = jaxvjp_error_file(error, &report_->line)) report_->file = file;
    for (std::size_t i = 0; const char *note = jaxvjp_error_note(error, i); ++i) report_->notes.push_back(note);
  }

  std::int32_t code() const noexcept { return report_->code; }                       // JAXVJP_SHAPE ...
  const char *what() const noexcept override { return report_->text.c_str(); }       // message, place and notes
  const std::string &message() const noexcept { return report_->message; }           // one line
  const std::vector<std::string> &notes() const noexcept { return report_->notes; }  // innermost first
  const std::string &file() const noexcept { return report_->file; }                 // of the user's code; or empty
  std::int32_t line() const noexcept { return report_->line; }
  // The library's error with its notes, now the caller's; NULL when it was given away before, or never was one.
  jaxvjp_error *release() const noexcept { return report_->raw.release(); }

 private:
  struct Free {
    void operator()(jaxvjp_error *error) const { jaxvjp_error_free(error); }
  };
  struct Report {
    std::int32_t code = 0, line = 0;
    std::string message, text, file;
    std::vector<std::string> notes;
    std::unique_ptr<jaxvjp_error, Free> raw;
  };
  std::shared_ptr<Report> report_;
};

namespace detail {

inline const char exception_tag = 0;  // its address says that an error's payload is an exception

inline void destroy_exception(void *payload) { delete static_cast<std::exception_ptr *>(payload); }

// Throws what the context failed with, and leaves it usable.
[[noreturn]] inline void throw_failure(jaxvjp_context *cx) {
  std::string text = jaxvjp_error_text(cx);
  jaxvjp_error *error = jaxvjp_take_error(cx);
  if (!error) throw Error(JAXVJP_INTERNAL, "a call failed without an error");
  if (void *payload = jaxvjp_error_take_payload(error, &exception_tag)) {
    std::unique_ptr<std::exception_ptr> exception(static_cast<std::exception_ptr *>(payload));
    jaxvjp_error_free(error);
    std::rethrow_exception(*exception);
  }
  throw Error(error, std::move(text));
}

inline void check(jaxvjp_context *cx) {
  if (jaxvjp_failed(cx)) throw_failure(cx);
}

// The exception that is being handled becomes the context's error. Returns its code.
inline std::int32_t fail_with_exception(jaxvjp_context *cx, const char *what) noexcept {
  auto *payload = new (std::nothrow) std::exception_ptr(std::current_exception());
  if (!payload) return jaxvjp_fail(cx, JAXVJP_OUT_OF_MEMORY, what);
  jaxvjp_error *error = jaxvjp_error_new(JAXVJP_CALLBACK, what, &exception_tag, payload, destroy_exception);
  return error ? jaxvjp_fail_with(cx, error) : jaxvjp_fail(cx, JAXVJP_OUT_OF_MEMORY, what);
}
inline std::int32_t fail_with_current(jaxvjp_context *cx) noexcept {
  try {
    throw;
  } catch (const Error &e) {
    jaxvjp_error *error = e.release();
    return error ? jaxvjp_fail_with(cx, error) : jaxvjp_fail(cx, e.code(), e.message().c_str());
  } catch (const std::exception &e) {
    return fail_with_exception(cx, e.what());
  } catch (...) {
    return fail_with_exception(cx, "an exception");
  }
}

// The dtype of a C++ type.
template <class T>
constexpr std::int32_t dtype_of() {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) <= 8, "no dtype has elements of this type");
  if (std::is_same_v<T, bool>) return JAXVJP_BOOL;
  const int kind = std::is_floating_point_v<T> ? 0x200 : std::is_signed_v<T> ? 0x000 : 0x100;
  return kind + static_cast<int>(8 * sizeof(T));
}

struct State {
  explicit State(jaxvjp_context *cx) : cx(cx), serial(next()) {}
  jaxvjp_context *cx;     // NULL when it is gone
  const unsigned serial;  // of two contexts that are there, the one made later is the inner one

 private:
  static unsigned next() {
    static std::atomic<unsigned> last{0};
    return ++last;
  }
};

}  // namespace detail

}  // namespace jaxvjp

#endif

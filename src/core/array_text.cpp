// The text of an array, for people: numbers in brackets as NumPy shows them, on one line, long
// arrays shortened.
#include <charconv>

#include "core/array.hpp"

namespace jv {
namespace {

constexpr size_t max_elements = 1000;  // longer arrays show the ends of each axis
constexpr int64_t n_ends = 3;
constexpr int max_digits = 9;  // enough to tell any two f32 apart

std::string with_digits(double x, std::chars_format format, int digits) {
  char buffer[64];
  return std::string(buffer, std::to_chars(buffer, buffer + 64, x, format, digits).ptr);
}

double read_back(const std::string& s) {
  double x = 0;
  std::from_chars(s.data(), s.data() + s.size(), x);
  return x;
}

// At most 9 significant digits; fewer where they read back as the same number of type T.
template <class T>
std::string number(T value) {
  if constexpr (std::is_same_v<T, double>) {
    if (value - value != 0) return value != value ? "nan" : value < 0 ? "-inf" : "inf";
    return with_digits(value, std::chars_format::general, max_digits);
  } else {
    double x = double(float(value)), shorter = x;
    for (int digits = 1; digits < max_digits; ++digits) {
      shorter = read_back(with_digits(x, std::chars_format::scientific, digits - 1));
      if (float(T(float(shorter))) == float(x)) return number(shorter);
    }
    return number(x);
  }
}

std::string element_text(const Array& a, size_t i) {
  return visit_dtype(a.aval()->dtype, [&]<class T>(Type<T>) -> std::string {
    T x = a.data<T>()[i];
    if constexpr (std::is_same_v<T, bool>) return x ? "True" : "False";
    else if constexpr (std::is_integral_v<T>) return std::to_string(x);
    else return number(x);
  });
}

// Writes the elements in row-major order between brackets. A flat walk: ranks may be long too.
class ArrayText {
 public:
  explicit ArrayText(const Array& a)
      : array_(a), shape_(a.aval()->shape), index_(shape_.size(), 0), strides_(shape_.size(), 1) {
    for (size_t axis = shape_.size(); axis-- > 1;)
      strides_[axis - 1] = strides_[axis] * shape_[axis];
  }

  std::string text() {
    if (array_.aval()->size == 0) return "[]";
    out_.append(shape_.size(), '[');
    for (size_t n = 0;; ++n) {
      if (n == max_elements) {  // of many short axes
        out_ += "...";
        break;
      }
      out_ += element_text(array_, offset());
      if (!advance()) break;
    }
    return out_.append(shape_.size(), ']');
  }

 private:
  size_t offset() const {
    int64_t at = 0;
    for (size_t axis = 0; axis < shape_.size(); ++axis) at += index_[axis] * strides_[axis];
    return size_t(at);
  }

  bool shortens(size_t axis) const {
    return array_.aval()->size > max_elements && shape_[axis] > 2 * n_ends;
  }

  // To the next element that is shown, with the brackets in between; false after the last one.
  bool advance() {
    size_t axis = shape_.size(), closed = 0;
    while (axis > 0 && index_[axis - 1] + 1 == shape_[axis - 1]) index_[--axis] = 0, ++closed;
    if (axis == 0) return false;
    out_.append(closed, ']') += ' ';
    int64_t& i = index_[axis - 1];
    if (++i == n_ends && shortens(axis - 1)) i = shape_[axis - 1] - n_ends, out_ += "... ";
    out_.append(closed, '[');
    return true;
  }

  const Array& array_;
  const Shape& shape_;
  Ints index_, strides_;
  std::string out_;
};

}  // namespace

std::string to_string(const Array& a) {
  if (a.aval()->dtype == DType::float0) return to_string(a.aval());
  return ArrayText(a).text();
}

}  // namespace jv

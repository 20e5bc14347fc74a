// The text of a value, for people: arrays as core/array_text.cpp shows them; what has no numbers by
// its type; containers with their keys.
#include "api/function.hpp"

namespace jv {
namespace {

constexpr size_t max_text = size_t{1} << 20;

class ValueText {
 public:
  explicit ValueText(View& cx) : cx_(cx) {}

  void add(const Value& v) {
    switch (v.kind) {
      case Kind::array: return add_leaf(v);
      case Kind::spec: out_ += to_string(v.aval); return;
      case Kind::zero: out_ += v.aval ? "Zero(" + to_string(v.aval) + ")" : "Zero"; return;
      case Kind::none: out_ += "None"; return;
      case Kind::opaque: out_ += "<opaque>"; return;
      case Kind::function: out_ += "<function " + v.function->name() + ">"; return;
      case Kind::tuple: return add_items(v, v.items.size() == 1 ? "(,)" : "()");
      case Kind::list: return add_items(v, "[]");
      case Kind::dict: return add_items(v, "{}");
    }
  }
  std::string take() { return std::move(out_); }

 private:
  void add_leaf(const Value& v) {
    if (v.weak) out_ += to_string(scalar(*v.session, DType::f64, v.number));
    else if (v.array) out_ += to_string(v.array);
    else add_tracer(v);
  }

  // Tracer<f32[3] of grad: [1 2 3]>
  void add_tracer(const Value& v) {
    bool alive = v.trace->alive();
    out_ += "Tracer<" + to_string(v.aval) + (alive ? " of " : " of a finished ") + v.trace->verb();
    if (alive && &v.trace->cx == &cx_.root() && is_concrete(v))
      out_ += ": " + to_string(numbers_of(cx_, v, "to_string", true));
    out_ += '>';
  }

  // `brackets`: the opening one, then how it closes.
  void add_items(const Value& v, std::string_view brackets) {
    out_ += brackets[0];
    for (size_t i = 0; i < v.items.size(); ++i) {
      if (i) out_ += ", ";
      if (out_.size() > max_text) {  // the same container may be held any number of times
        out_ += "...";
        break;
      }
      if (v.kind == Kind::dict) out_ += "'" + v.tree->keys[i] + "': ";
      add(*v.items[i]);
    }
    out_ += brackets.substr(1);
  }

  View& cx_;
  std::string out_;
};

}  // namespace

std::string to_text(View& cx, const Value& v) {
  ValueText text(cx);
  text.add(v);
  return text.take();
}

}  // namespace jv

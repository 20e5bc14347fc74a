// Value: what C calls jaxvjp_value. A leaf (numbers, a tracer, a type without numbers, a zero), or
// a container of values.
#pragma once
#include "api/handle.hpp"

namespace jv {

class Function;

enum class Kind : int32_t {
  array = 1,
  spec = 2,
  zero = 3,
  none = 4,
  tuple = 5,
  list = 6,
  dict = 7,
  opaque = 8,
  function = 9
};

// A user's pointer with its destroy function; structure, by identity.
class Opaque final : public RefCounted {
 public:
  Opaque(void* pointer, void (*destroy)(void*)) : pointer(pointer), destroy_(destroy) {}
  ~Opaque() override {
    if (destroy_) destroy_(pointer);
  }
  void* const pointer;

 private:
  void (*destroy_)(void*);
};

using ValueRef = Ref<Value>;
using Values = Small<ValueRef, 4>;

class Value final : public Handle {
 public:
  Ref<Session> session;  // keeps avals and trees alive: the first member, so that it goes last
  Kind kind = Kind::array;
  Tree tree;
  Aval aval = nullptr;  // of an array, tracer, spec or typed zero

  // An array: numbers, or a value of a trace, or a number without a dtype.
  Array array;
  Ref<Trace> trace;  // of a container: the innermost one among its items'
  uint32_t index = 0;
  uint32_t location = 0;  // of a tracer: where it was made
  bool weak = false;
  double number = 0;
  Array shown;  // what `data` handed out

  std::vector<ValueRef> items;  // of a container
  Ref<Opaque> opaque;
  Ref<Function> function;

  explicit Value(Session& s) : session(&s) {}
  bool is_leaf() const { return kind == Kind::array || kind == Kind::spec || kind == Kind::zero; }
};

// ---- making values
ValueRef value_of(Session& session, Array array);
ValueRef value_of(Session& session, const Tracer& t);
ValueRef weak_number(Session& session, double number);
ValueRef spec_value(Session& session, Aval aval);
ValueRef zero_value(Session& session, Aval aval);  // aval: null, or of the output it stands for
ValueRef none_value(Session& session);
ValueRef sequence_value(Session& session, Kind kind, std::span<const ValueRef> items);
ValueRef dict_value(Session& session, std::vector<std::string> keys,
                    std::span<const ValueRef> items);
ValueRef opaque_value(Session& session, Ref<Opaque> opaque);
ValueRef function_value(Session& session, Ref<Function> function);

// Is the value of this session, and if it is traced, does its trace live in this context?
void check_alive(View& cx, const Value& v);
// And does the view hold that trace?
void check_usable(View& cx, const Value& v);

// ---- trees
// The value as one of the context's tracers. A weak number becomes `dtype` (f64 by default).
Tracer tracer_of(View& cx, const Value& v, DType dtype = DType::f64);
// TREE for specs and zeros, inside containers too.
void refuse_placeholders(const Value& v);
// Leaves in order; specs and zeros are refused.
void flatten(View& cx, const Value& v, Tracers& leaves);
// Every leaf value.
void collect_leaves(const Value& v, Values& leaves);
ValueRef unflatten(Session& session, const Tree& tree, Operands& leaves);
ValueRef unflatten_all(Session& session, const Tree& tree, Operands leaves);
ValueRef unflatten_values(Session& session, const Tree& tree, std::span<const ValueRef>& leaves);

// ---- numbers
// The numbers of an array or of a tracer that has them. A value that is being differentiated shows
// them only where `anyway`.
Array numbers_of(View& cx, const Value& v, const char* asker, bool anyway = false);
bool is_concrete(const Value& v);
std::string to_text(View& cx, const Value& v);

}  // namespace jv

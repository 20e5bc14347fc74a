// Simplification: equations that nobody needs go, equal ones are shared, constants fold in the
// program's own dtype, and exact algebra is applied. Inputs and outputs stay as they are. Linear in
// the size of the jaxpr.
#pragma once
#include <unordered_map>

#include "transforms/jvp.hpp"

namespace jv {

JaxprRef simplify(const JaxprRef& j);

// A jaxpr with some of its outputs, and the inputs that are left of it.
struct Part {
  JaxprRef jaxpr;
  Flags inputs;
};

// One simplification. It remembers what it made of the jaxprs inside equations, so that each is
// simplified once, however often one asks what it needs.
class Simplifier {
 public:
  explicit Simplifier(Session& session) : session(session) {}
  Simplifier(const Simplifier&) = delete;

  // The outputs that `used` marks, simplified, with the inputs that these or effects need, and
  // those that `keep` marks.
  Part prune(const Jaxpr& j, std::span<const bool> used, std::span<const bool> keep = {});
  // The inputs that these outputs, or effects, need.
  Flags needed_inputs(const Jaxpr& j, std::span<const bool> used) { return whole(j, used).needed; }

  Session& session;

 private:
  struct Done {
    JaxprRef of;
    Flags used;
    JaxprRef whole;  // with all inputs
    Flags needed;
    std::vector<Part> parts;
  };
  Done& whole(const Jaxpr& j, std::span<const bool> used);

  std::unordered_map<const Jaxpr*, std::vector<Done>> done_;
};

// Without the equations that do nothing but have an effect, those of jaxprs inside equations too:
// for what computes values again. What is left with effects gives results that nothing else can.
JaxprRef silent(const Jaxpr& j);

// Simplifies the linear half; residuals that it no longer uses are dropped.
void simplify_linear(Linearized& l);

}  // namespace jv

// What stands for a rule where only its name is known: in a program that was read from text, or in
// a module, whose table holds the rule.
#include "rules/rule.hpp"

namespace jv {
namespace {

class UnlinkedRule final : public CustomRule {
 public:
  UnlinkedRule(std::string name, size_t slot) : name_(std::move(name)), slot_(slot) {}
  const std::string& name() const override { return name_; }
  Saved saved() const override { return Saved::by_name; }
  size_t slot() const override { return slot_; }
  bool has_forward() const override { return true; }  // asked for, it refuses by name
  Tracers primal(Context&, Operands) const override { refuse(); }
  Residuals fwd(Context&, Operands, std::span<const bool>, Tracers&) const override { refuse(); }
  Tracers bwd(Context&, const Residuals&, Operands, std::span<const Aval>,
              std::span<const bool>) const override {
    refuse();
  }
  Dual jvp(Context&, Operands, Operands) const override { refuse(); }

 private:
  [[noreturn]] void refuse() const {
    fail(Code::no_rule, name_,
         ": the program was read from text, which does not hold its rule; it cannot be "
         "differentiated");
  }
  std::string name_;
  size_t slot_;
};

}  // namespace

CustomRuleRef unlinked_rule(std::string name, size_t slot) {
  return make_ref<const UnlinkedRule>(std::move(name), slot);
}

}  // namespace jv

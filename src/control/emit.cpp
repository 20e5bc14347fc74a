#include "control/emit.hpp"

#include <algorithm>

#include "control/call.hpp"

namespace jv {

void Emissions::add(Emission e) {
  for (const Emission& other : all)
    if (other.rule == e.rule && other.name == e.name)
      fail(
          Code::invalid_argument, "emit: '", e.name, "' of custom rule ", e.rule,
          " is there already; a name stands for one value of a backward pass, also where a mapped ",
          "cond runs all its branches");
  e.types = avals_of(e.leaves);
  all.push_back(std::move(e));
}

Tracers EmittedInside::values() const {
  Tracers values;
  for (const Emission& e : inside_.all) values.append(e.leaves);
  return values;
}

void EmittedInside::pass_on(Operands values) const {
  for (const Emission& e : inside_.all) {
    cx_.emissions->add({e.rule, e.name, e.tree, Tracers(values.subspan(0, e.leaves.size()))});
    values = values.subspan(e.leaves.size());
  }
}

void EmittedInside::arrange_as(const EmittedInside& o) {
  std::vector<Emission> arranged;
  for (const Emission& want : o.inside_.all)
    for (Emission& e : inside_.all) {
      bool same = e.rule == want.rule && e.name == want.name && e.tree.get() == want.tree.get();
      if (same && e.types == want.types) arranged.push_back(e);
    }
  if (arranged.size() != o.inside_.all.size() || arranged.size() != inside_.all.size())
    fail(Code::effect, "cond: the branches' rules emit different values, and which branch runs is ",
         "not known; emit the same names, of the same types, in each");
  inside_.all = std::move(arranged);
}

}  // namespace jv

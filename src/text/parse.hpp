// The parser of jaxprs: what print.cpp writes, and what JAX prints for the primitives we have.
// Everything that it returns is checked; what it cannot know is an error with line and column.
//
// Beyond our own text it knows JAX's ways: parameters that are left out or change no number, `pjit`
// and `add_any`, jaxprs that are printed once as `let f = { ... } in` (in any order) and meant by
// `jaxpr=f`, names `_` of results that nobody uses, and operands of rank 0 (or with axes of size 1)
// that meet arrays: these get a broadcast_in_dim of their own.
#pragma once
#include "core/module.hpp"

namespace jv {

// PARSE: text that is no jaxpr, or one that holds constants, whose numbers text does not say.
// NOT_FOUND: an unknown primitive. SHAPE, DTYPE: types that are not those of the operation. A
// custom rule's call is read with its name and its primal; it cannot be differentiated.
// Text may hold a module too (text/module_text.hpp): rules, structures, numbers of constants.
ModuleRef parse_module(Session& session, std::string_view text,
                       const Primitive* (*find)(std::string_view));
// Its program, whose rules are known by name alone.
JaxprRef parse_jaxpr(Session& session, std::string_view text,
                     const Primitive* (*find)(std::string_view));

// "axes=(0,) ..."; blanks or commas between them. Parameters that the operands' types say may be
// left out where `in` is given.
ParamsRef parse_params(Session& session, const Primitive& p, std::string_view text,
                       std::span<const Aval> in = {});

}  // namespace jv

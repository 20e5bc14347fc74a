#include "api/function.hpp"

#include <algorithm>
#include <cstring>

#include "control/call.hpp"
#include "primitives/ops.hpp"
#include "rules/host.hpp"
#include "rules/rule.hpp"
#include "transforms/simplify.hpp"

namespace jv {

FunctionRef function_from(const Ref<const RefCounted>& structure, Args held) {
  if (auto* parts = dynamic_cast<const FunctionStructure*>(structure.get()))
    return parts->around(held);
  return FunctionRef(const_cast<Function*>(static_cast<const Function*>(structure.get())));
}

// ---- programs

Ref<const Program> ProgramCache::find(const CacheKey& key) {
  std::lock_guard lock(mutex_);
  for (Entry& e : entries_)
    if (e.key == key) {
      e.used = ++clock_;
      return e.program;
    }
  return nullptr;
}

Ref<const Program> ProgramCache::insert(CacheKey key, Ref<const Program> program) {
  Ref<const Program> dropped;  // released outside the lock: it may hold a user's rule
  std::lock_guard lock(mutex_);
  for (Entry& e : entries_)
    if (e.key == key) return e.program;
  if (entries_.size() == capacity) {
    auto oldest = std::min_element(entries_.begin(), entries_.end(),
                                   [](auto& a, auto& b) { return a.used < b.used; });
    dropped = std::move(oldest->program);
    entries_.erase(oldest);
  }
  entries_.push_back({std::move(key), program, ++clock_});
  return program;
}

std::vector<HostRef> Function::hosts() const { return {}; }

static uint64_t next_serial(Session& session) { return session.serial.fetch_add(1) + 1; }

BaseFunction::BaseFunction(Session& session, std::string name)
    : Function(session), name_(std::move(name)), serial_(next_serial(session)) {}

// ---- callbacks

void run_callback(View& cx, StageTrace* staging, RuleFrame* rule, const std::string& what,
                  const std::function<int32_t(View&)>& run) {
  Root& root = cx.root();
  if (root.callbacks == max_depth)
    fail(Code::invalid_argument, what, " is called inside more than ", max_depth, " callbacks");
  View view(cx, staging);
  view.rule = rule;
  cx.session().counters.callbacks.fetch_add(1, std::memory_order_relaxed);
  struct Restore {
    Root& root;
    uint32_t location;
    ~Restore() { root.location = location, --root.callbacks; }
  } restore{root, root.location};
  ++root.callbacks;
  int32_t code = run(view);
  if (root.out_of_memory) {
    root.out_of_memory = false;
    throw std::bad_alloc();
  }
  if (root.error) {
    Error error = std::move(*root.error);
    root.error = nullptr;
    error.notes.push_back("in " + what);
    throw error;
  }
  if (code == 0) return;
  Error error(code, what + " returned the code " + std::to_string(code) + " without an error");
  throw error;
}

Small<jaxvjp_value*, 8> hand_out(View& view, Args values) {
  Small<jaxvjp_value*, 8> handles;
  for (const ValueRef& v : values) handles.push_back(wrap(view.keep(v)));
  if (handles.size() < 8) handles.resize(8);
  return handles;
}

namespace {

class Callback final : public BaseFunction {
 public:
  Callback(Session& session, std::string name, CallFn callback, void* user, void (*destroy)(void*))
      : BaseFunction(session, std::move(name)),
        callback_(callback),
        user_(user),
        destroy_(destroy) {}
  ~Callback() override {
    if (destroy_) destroy_(user_);
  }

  ValueRef call(View& cx, Args args) override {
    for (size_t i = 0; i < args.size(); ++i)
      noted([&] { refuse_placeholders(*args[i]); }, "in argument ", i, " of function ", name());
    ValueRef result;
    run_callback(cx, cx.staging, nullptr, "function " + name(), [&](View& view) {
      auto handles = hand_out(view, args);
      jaxvjp_value* out = nullptr;
      int32_t code = callback_(wrap(&view), user_, handles.data(), args.size(), &out);
      result = written(out);
      return code;
    });
    if (!result) fail(Code::callback, "function ", name(), " returned 0 and left its output unset");
    check_alive(cx, *result);
    noted([&] { refuse_placeholders(*result); }, "in the output of function ", name());
    return result;
  }

 private:
  CallFn callback_;
  void* user_;
  void (*destroy_)(void*);
};

}  // namespace

FunctionRef callback_function(View& cx, std::string name, CallFn callback, void* user,
                              void (*destroy)(void*)) {
  return make_ref<Callback>(cx.session(), std::move(name), callback, user, destroy);
}

// ---- flat calls

FlatArgs::FlatArgs(View& cx, Args args) {
  for (const ValueRef& a : args) {
    trees.push_back(a->tree);
    flatten(cx, *a, leaves);
  }
}

Values unflatten_args(Session& session, std::span<const Tree> trees, Operands leaves) {
  Values args;
  for (const Tree& tree : trees) args.push_back(unflatten(session, tree, leaves));
  return args;
}

Tracers call_flat(View& cx, Function& f, std::span<const Tree> trees, Operands leaves, Tree& out) {
  ValueRef result = f.call(cx, unflatten_args(cx.session(), trees, leaves));
  out = result->tree;
  Tracers flat;
  flatten(cx, *result, flat);
  return flat;
}

std::vector<size_t> arguments_at(std::span<const int64_t> places, const std::string& who,
                                 size_t n) {
  std::vector<size_t> chosen;
  for (int64_t a : places) {
    if (a < -int64_t(n) || a >= int64_t(n))
      fail(Code::invalid_argument, who, ": argnum ", a, " is out of range for ", n, " arguments");
    chosen.push_back(size_t(a < 0 ? a + int64_t(n) : a));
  }
  return chosen;
}

StagedCall stage_call(View& cx, Function& f, std::span<const Tree> trees,
                      std::span<const Aval> leaves, const char* verb, Operands fixed) {
  StagedCall r;
  Live<StageTrace> trace(cx.root(), verb);
  View view(cx, &*trace);
  view.rule = cx.rule;
  Tracers args;
  for (size_t i = 0; i < leaves.size(); ++i)
    args.push_back(i < fixed.size() && fixed[i] ? fixed[i] : trace->input(leaves[i]));
  r.closed = trace->close(call_flat(view, f, trees, args, r.out));
  return r;
}

// ---- jit

namespace {

// Structures and types of the arguments. A tree that holds functions is keyed by their serial
// numbers, so that a cached program does not keep them alive.
void describe_tree(const TreeDef& tree, CacheKey& key) {
  if (!tree.has_object) return key.push_back(reinterpret_cast<uintptr_t>(&tree));
  key.push_back(uint64_t(tree.node));
  key.push_back(tree.children.size());
  for (const std::string& k : tree.keys) key.push_back(std::hash<std::string>()(k));
  for (const Tree& child : tree.children) describe_tree(*child, key);
  if (!tree.object) return;
  if (auto* function = dynamic_cast<const Function*>(tree.object.get()))
    return key.push_back(function->serial());
  auto* opaque = dynamic_cast<const Opaque*>(tree.object.get());
  key.push_back(opaque ? reinterpret_cast<uintptr_t>(opaque->pointer) : 0);
}

void describe_numbers(const Array& a, CacheKey& key) {
  size_t bytes = a.aval()->bytes(), first = key.size();
  key.resize(first + (bytes + 7) / 8);
  if (bytes) std::memcpy(key.data() + first, a.data(), bytes);
}

bool may_cache(const TreeDef& tree) {  // a derived or linear function has no name that outlives it
  if (!tree.has_object) return true;
  auto* function = dynamic_cast<const Function*>(tree.object.get());
  if (tree.object && !dynamic_cast<const Opaque*>(tree.object.get()) &&
      !(function && function->serial()))
    return false;
  return std::all_of(tree.children.begin(), tree.children.end(),
                     [](const Tree& t) { return may_cache(*t); });
}

bool holds_function(const TreeDef& tree) {
  if (!tree.has_object) return false;
  if (dynamic_cast<const Function*>(tree.object.get())) return true;
  return std::any_of(tree.children.begin(), tree.children.end(),
                     [](const Tree& t) { return holds_function(*t); });
}

class Jit final : public DerivedFunction {
 public:
  Jit(FunctionRef f, const std::vector<int64_t>& static_args)
      : DerivedFunction(std::move(f), words('j', static_args)), static_(static_args) {
    inner->describe(stack_);
    CacheKey own = words('s', static_args);
    if (!static_.empty()) stack_.insert(stack_.end(), own.begin(), own.end());
  }

  ValueRef apply(View& cx, Args args) override {
    FlatArgs flat(cx, args);
    CacheKey key = stack_;
    bool cacheable = true;
    for (const Tree& tree : flat.trees) {
      describe_tree(*tree, key);
      cacheable = cacheable && may_cache(*tree);
    }
    for (const Tracer& t : flat.leaves) key.push_back(reinterpret_cast<uintptr_t>(t.aval()));
    Tracers fixed = fixed_leaves(flat), rest;
    for (size_t i = 0; i < fixed.size(); ++i)
      if (fixed[i]) describe_numbers(fixed[i].array(), key);
      else rest.push_back(flat.leaves[i]);
    Operands inputs = fixed.empty() ? Operands(flat.leaves) : Operands(rest);
    ProgramCache& cache = programs();
    Ref<const Program> program = cacheable ? cache.find(key) : nullptr;
    if (program) return run(cx, *program, inputs);
    Tracers captured;
    program = compile(cx, flat, fixed, captured);
    bool closed = std::all_of(captured.begin(), captured.end(),
                              [](const Tracer& t) { return t.is_concrete(); });
    if (!closed) return run(cx, *program, captured, inputs);
    if (cacheable && !(program->out && holds_function(*program->out)))
      program = cache.insert(std::move(key), program);
    return run(cx, *program, inputs);
  }

 private:
  const char* verb() const override { return "jit"; }

  static CacheKey words(char kind, const std::vector<int64_t>& static_args) {
    CacheKey key{uint64_t(kind)};
    if (!static_args.empty()) key.push_back(static_args.size());
    for (int64_t a : static_args) key.push_back(uint64_t(a));
    return key;
  }

  // The numbers of static arguments among the leaves, null where a leaf is an input; empty: all
  // are.
  Tracers fixed_leaves(const FlatArgs& flat) const {
    if (static_.empty()) return {};
    Tracers all;
    auto chosen = arguments_at(static_, "jit of " + name(), flat.trees.size());
    for (size_t i = 0, leaf = 0; i < flat.trees.size(); ++i)
      for (size_t k = 0; k < flat.trees[i]->n_leaves; ++k, ++leaf) {
        const Tracer& t = flat.leaves[leaf];
        bool fixed = std::count(chosen.begin(), chosen.end(), i) > 0;
        if (fixed && !t.is_concrete())
          fail(Code::concrete, name(), ": static ", argument(i), " has no numbers in ",
               t.trace().verb(), "; its numbers become part of the program");
        all.push_back(fixed ? t : Tracer());
      }
    return all;
  }

  Ref<const Program> compile(View& cx, const FlatArgs& flat, Operands fixed, Tracers& captured) {
    auto program = make_ref<Program>();
    StagedCall staged = stage_call(cx, *inner, flat.trees, avals_of(flat.leaves), "jit", fixed);
    cx.session().counters.compiles.fetch_add(1, std::memory_order_relaxed);
    captured = std::move(staged.closed.captured);
    program->jaxpr = simplify(staged.closed.jaxpr);
    for (const Tracer& t : captured)
      if (t.is_concrete()) program->captured.push_back(t.array());
    program->params = cx.session().params().make(call_p.sig, {Object(program->jaxpr), name()});
    program->out = staged.out;
    program->held = flat.trees;
    return program;
  }

  static ValueRef run(View& cx, const Program& program, Operands leaves) {
    Tracers captured;
    for (const Array& a : program.captured) captured.push_back(cx.root().tracer(a));
    return run(cx, program, captured, leaves);
  }

  static ValueRef run(View& cx, const Program& program, Operands captured, Operands leaves) {
    Tracers operands(captured);
    operands.append(leaves);
    Tracers out = bind_at(cx.place(), call_p, operands, program.params);
    return unflatten_all(cx.session(), program.out, out);
  }

  std::vector<int64_t> static_;
  CacheKey stack_;
};

}  // namespace

FunctionRef jit(FunctionRef f, const std::vector<int64_t>& static_args) {
  return make_ref<Jit>(std::move(f), static_args);
}

}  // namespace jv

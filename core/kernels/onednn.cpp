#include "core/kernels/onednn.h"

#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include <mjolnir/core/backend.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/threads.h>
#include <oneapi/dnnl/dnnl.hpp>

#include "core/detail/scratch.h"

namespace mjolnir {

bool has_onednn() noexcept { return true; }

std::string onednn_version() {
  const dnnl::version_t* version = dnnl::version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) +
         "." + std::to_string(version->patch);
}

namespace kernels::onednn {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

// Working memory is ours, so that a primitive may run on several threads.
dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

// oneDNN 3 has no operation descriptors: their arguments go to the primitive
// descriptor itself.
#if DNNL_VERSION_MAJOR >= 3
template <class Primitive, class... Arguments>
auto describe(const Arguments&... arguments) {
  return
      typename Primitive::primitive_desc(engine(), arguments..., attributes());
}
template <class Primitive, class Hint, class... Arguments>
auto describe_backward(const Hint& hint, const Arguments&... arguments) {
  return typename Primitive::primitive_desc(engine(), arguments..., hint,
                                            attributes());
}
#else
template <class Primitive, class... Arguments>
auto describe(const Arguments&... arguments) {
  return typename Primitive::primitive_desc(
      typename Primitive::desc(arguments...), attributes(), engine());
}
template <class Primitive, class Hint, class... Arguments>
auto describe_backward(const Hint& hint, const Arguments&... arguments) {
  return typename Primitive::primitive_desc(
      typename Primitive::desc(arguments...), attributes(), engine(), hint);
}
#endif

// Calls f(); what oneDNN throws becomes an exception of this library's.
template <class F>
void translated(F f) {
  try {
    f();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
    throw Error("[conv2d] expected oneDNN to run, got its error " +
                std::to_string(error.status) + ": " + error.what() +
                "; ScopedBackend(Backend::Reference) does without it");
  }
}

enum class Kind : std::int64_t { Forward, InputGradient, WeightGradient };

// A convolution made ready. The weights' order is oneDNN's choice; `reorder`
// packs ours into it, or for a weight gradient unpacks it into ours.
struct Plan {
  dnnl::primitive convolution;
  dnnl::primitive reorder;
  memory::desc x, y, w, packed, b, scratchpad;
  bool reordered = false;
};

using Key = std::array<std::int64_t, 20>;

Key key_of(Kind kind, const ConvSizes& s, bool bias) {
  const Conv2dGeometry& g = s.window;
  return {static_cast<std::int64_t>(kind),
          num_threads(),
          bias,
          s.batch,
          s.in_h,
          s.in_w,
          s.in_channels,
          s.out_channels,
          g.kernel_h,
          g.kernel_w,
          g.stride_h,
          g.stride_w,
          g.pad_top,
          g.pad_bottom,
          g.pad_left,
          g.pad_right,
          g.dilation_h,
          g.dilation_w,
          g.groups,
          0};
}

// The weight gradient of a 1x1 convolution with a stride gathers its pixels in
// the scratchpad, and writes past the end of it where there are fewer channels
// than its vectors hold: uxlfoundation/oneDNN issue 6035.
bool overruns_its_workspace(const ConvSizes& s) {
  const Conv2dGeometry& g = s.window;
  return g.kernel_h == 1 && g.kernel_w == 1 &&
         (g.stride_h > 1 || g.stride_w > 1) && s.group_inputs() < 16;
}

std::atomic<std::int64_t> primitives{0};

// Every primitive is made here.
template <class Primitive, class Descriptor>
Primitive make_primitive(const Descriptor& descriptor) {
  primitives.fetch_add(1, std::memory_order_relaxed);
  return Primitive(descriptor);
}

// Throws dnnl::error where oneDNN has no such convolution.
std::shared_ptr<const Plan> make_plan(Kind kind, const ConvSizes& s,
                                      bool bias) {
  const Conv2dGeometry& g = s.window;
  if (kind == Kind::WeightGradient && overruns_its_workspace(s)) {
    throw dnnl::error(dnnl_unimplemented, "it would corrupt memory");
  }
  const auto f32 = memory::data_type::f32;
  const memory::dims strides{g.stride_h, g.stride_w};
  const memory::dims dilates{g.dilation_h - 1, g.dilation_w - 1};
  const memory::dims low{g.pad_top, g.pad_left};
  const memory::dims high{g.pad_bottom, g.pad_right};
  memory::dims weights{s.group_outputs(), s.group_inputs(), g.kernel_h,
                       g.kernel_w};
  if (g.groups > 1) weights.insert(weights.begin(), g.groups);

  auto plan = std::make_shared<Plan>();
  plan->x = {{s.batch, s.in_channels, s.in_h, s.in_w}, f32, Tag::nhwc};
  plan->y = {{s.batch, s.out_channels, s.out_h(), s.out_w()}, f32, Tag::nhwc};
  plan->w = {weights, f32, g.groups > 1 ? Tag::gohwi : Tag::ohwi};
  if (bias) plan->b = {{s.out_channels}, f32, Tag::x};
  const memory::desc any(weights, f32, Tag::any);
  const auto direct = dnnl::algorithm::convolution_direct;

  const auto adopt = [&](const auto& descriptor, const memory::desc& packed) {
    if (std::strncmp(descriptor.impl_info_str(), "ref", 3) == 0) {
      throw dnnl::error(dnnl_unimplemented, "only a slow reference");
    }
    plan->packed = packed;
    plan->scratchpad = descriptor.scratchpad_desc();
    plan->reordered = packed != plan->w;
  };
  const auto forward = [&](dnnl::prop_kind purpose) {
    return describe<dnnl::convolution_forward>(purpose, direct, plan->x, any,
                                               plan->b, plan->y, strides,
                                               dilates, low, high);
  };
  if (kind == Kind::Forward) {
    const auto descriptor = forward(dnnl::prop_kind::forward_inference);
    adopt(descriptor, descriptor.weights_desc());
    plan->convolution = make_primitive<dnnl::convolution_forward>(descriptor);
  } else if (kind == Kind::InputGradient) {
    const auto hint = forward(dnnl::prop_kind::forward_training);
    const auto descriptor = describe_backward<dnnl::convolution_backward_data>(
        hint, direct, plan->x, any, plan->y, strides, dilates, low, high);
    adopt(descriptor, descriptor.weights_desc());
    plan->convolution =
        make_primitive<dnnl::convolution_backward_data>(descriptor);
  } else {
    const auto hint = forward(dnnl::prop_kind::forward_training);
    const auto descriptor =
        describe_backward<dnnl::convolution_backward_weights>(
            hint, direct, plan->x, any, plan->y, strides, dilates, low, high);
    adopt(descriptor, descriptor.diff_weights_desc());
    plan->convolution =
        make_primitive<dnnl::convolution_backward_weights>(descriptor);
  }
  if (plan->reordered) {
    const bool unpack = kind == Kind::WeightGradient;
    plan->reorder = make_primitive<dnnl::reorder>(dnnl::reorder::primitive_desc(
        engine(), unpack ? plan->packed : plan->w, engine(),
        unpack ? plan->w : plan->packed));
  }
  return plan;
}

// Plans by shape and thread count, a null one where oneDNN refused. A full
// cache is emptied: plans in use live on, the rest is made again.
std::shared_ptr<const Plan> find_plan(Kind kind, const ConvSizes& sizes,
                                      bool bias) {
  constexpr std::size_t capacity = 1024;
  static std::mutex mutex;
  static std::map<Key, std::shared_ptr<const Plan>> plans;
  const Key key = key_of(kind, sizes, bias);
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = plans.find(key);
  if (found != plans.end()) return found->second;
  if (plans.size() >= capacity) plans.clear();
  std::shared_ptr<const Plan> plan;
  try {
    plan = make_plan(kind, sizes, bias);
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
  }
  return plans[key] = plan;
}

// Runs a plan; oneDNN only reads what is const here.
void execute(const std::shared_ptr<const Plan>& plan, Kind kind, const float* x,
             const float* y, const float* w, const float* b) {
  const auto buffer = [](const memory::desc& desc, const float* data) {
    return memory(desc, engine(), const_cast<float*>(data));
  };
  // The packed weights, then the scratchpad on a cache line of its own.
  const auto packed_bytes =
      plan->reordered ? (plan->packed.get_size() + 63) / 64 * 64 : 0;
  const Scratch<char> scratch(
      static_cast<std::int64_t>(packed_bytes + plan->scratchpad.get_size()));
  const memory weights = buffer(plan->w, w);
  const memory packed =
      plan->reordered
          ? memory(plan->packed, engine(), static_cast<void*>(scratch.data()))
          : weights;
  const bool training = kind != Kind::Forward;
  const bool to_x = kind == Kind::InputGradient;
  const bool to_w = kind == Kind::WeightGradient;
  std::unordered_map<int, memory> arguments{
      {to_x ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, buffer(plan->x, x)},
      {to_w ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, packed},
      {training ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, buffer(plan->y, y)},
      {DNNL_ARG_SCRATCHPAD,
       memory(plan->scratchpad, engine(),
              static_cast<void*>(scratch.data() + packed_bytes))}};
  if (b != nullptr) arguments.emplace(DNNL_ARG_BIAS, buffer(plan->b, b));

  dnnl::stream stream(engine());
  const auto reorder = [&](const memory& from, const memory& to) {
    if (plan->reordered) {
      plan->reorder.execute(stream, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    }
  };
  if (!to_w) reorder(weights, packed);
  plan->convolution.execute(stream, arguments);
  if (to_w) reorder(packed, weights);
  stream.wait();
}

bool run(Kind kind, const ConvSizes& sizes, const float* x, const float* y,
         const float* w, const float* b) {
  if (sizes.rows() == 0) return false;
  std::shared_ptr<const Plan> plan;
  translated([&] {
    plan = find_plan(kind, sizes, b != nullptr);
    if (plan != nullptr) execute(plan, kind, x, y, w, b);
  });
  return plan != nullptr;
}

std::atomic<std::int64_t> products{0};

}  // namespace

bool sgemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n,
           std::int64_t k, float alpha, const float* a, std::int64_t lda,
           const float* b, std::int64_t ldb, float beta, float* c,
           std::int64_t ldc) {
  products.fetch_add(1, std::memory_order_relaxed);
  return dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k,
                    alpha, a, lda, b, ldb, beta, c, ldc) == dnnl_success;
}

std::int64_t sgemm_count() noexcept {
  return products.load(std::memory_order_relaxed);
}

std::int64_t primitive_creation_count() noexcept {
  return primitives.load(std::memory_order_relaxed);
}

bool conv2d_forward(const ConvSizes& sizes, const float* x, const float* w,
                    const float* b, float* y) {
  return run(Kind::Forward, sizes, x, y, w, b);
}

bool conv2d_input_gradient(const ConvSizes& sizes, const float* dy,
                           const float* w, float* dx) {
  return run(Kind::InputGradient, sizes, dx, dy, w, nullptr);
}

bool conv2d_weight_gradient(const ConvSizes& sizes, const float* x,
                            const float* dy, float* dw) {
  return run(Kind::WeightGradient, sizes, x, dy, dw, nullptr);
}

}  // namespace kernels::onednn
}  // namespace mjolnir

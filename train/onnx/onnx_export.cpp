#include "train/onnx/onnx_export.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/random.h>

#include "train/onnx/detail/onnx_translations.h"

namespace mjolnir::train {

namespace {

// Evaluation mode for a scope; each module gets its own mode back.
class Evaluation {
 public:
  explicit Evaluation(Module& model) {
    for (const auto& named : model.named_modules()) {
      before_.emplace_back(named.second, named.second->training());
    }
    model.eval();
  }
  ~Evaluation() {
    for (const auto& [module, training] : before_) {
      module->train(training);  // parents come first
    }
  }
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

 private:
  std::vector<std::pair<Module*, bool>> before_;
};

// The ops that lead to a tensor. An op may have been computed with others:
// of those that gave one tensor the last one counts.
std::vector<TracedOp> needed(const std::vector<TracedOp>& ops,
                             const Tensor& output) {
  std::set<const void*> wanted{output.impl().get()};
  std::vector<TracedOp> list;
  for (auto op = ops.rbegin(); op != ops.rend(); ++op) {
    if (wanted.erase(op->output.impl().get()) == 0) {
      continue;
    }
    for (const Tensor& input : op->inputs) {
      wanted.insert(input.impl().get());
    }
    list.push_back(*op);
  }
  std::reverse(list.begin(), list.end());
  return list;
}

// A call of the model with so many samples.
struct Call {
  Tensor input, output;
  std::vector<TracedOp> ops;
};

Call call(Module& model, std::int64_t samples, const Shape& sample,
          DType dtype) {
  std::vector<std::int64_t> lengths = sample.to_vector();
  lengths.insert(lengths.begin(), samples);
  Call made;
  // Other values in each call, so that what is computed from them is told from
  // what is constant.
  Generator rng(static_cast<std::uint64_t>(samples));
  made.input = is_floating(dtype)
                   ? uniform(Shape(lengths), -1.0, 1.0, rng, {dtype})
                   : Tensor::zeros(Shape(lengths), {dtype});
  const NoGrad no_grad;
  const Trace trace;
  made.output = model(made.input);
  made.ops = needed(trace.ops(), made.output);
  return made;
}

bool equal_elements(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) {
    return false;
  }
  const Tensor same = b.to(a.layout());
  const auto bytes = [](const Tensor& x) {
    switch (x.dtype()) {
      case DType::F32:
        return static_cast<const void*>(x.data<float>());
      case DType::F64:
        return static_cast<const void*>(x.data<double>());
      case DType::I64:
        return static_cast<const void*>(x.data<std::int64_t>());
      case DType::U8:
        break;
    }
    return static_cast<const void*>(x.data<std::uint8_t>());
  };
  return a.numel() == 0 || std::memcmp(bytes(a), bytes(same),
                                       static_cast<std::size_t>(a.numel()) *
                                           size_of(a.dtype())) == 0;
}

// The lengths of a result, with -1 for the one that the batch decides; nothing
// if it decides more than one.
std::optional<std::vector<std::int64_t>> lengths_of(const Shape& two,
                                                    const Shape& three) {
  std::vector<std::int64_t> lengths = two.to_vector();
  int open = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (two[i] != three[i]) {
      lengths[i] = -1;
      ++open;
    }
  }
  if (open > 1) {
    return std::nullopt;
  }
  return lengths;
}

// Which layers the tensors of a model belong to.
class Layers {
 public:
  explicit Layers(const Module& model) {
    for (const auto& [name, tensor] : model.state()) {
      const std::size_t dot = name.rfind('.');
      owner_.emplace(tensor.impl().get(),
                     dot == std::string::npos ? "" : name.substr(0, dot));
    }
  }

  // The layer whose parameters an op uses; "" for none.
  std::string of(const TracedOp& op) const {
    for (const Tensor& input : op.inputs) {
      const auto found = owner_.find(input.impl().get());
      if (found != owner_.end() && !found->second.empty()) {
        return found->second;
      }
    }
    return "";
  }

 private:
  std::map<const void*, std::string> owner_;
};

// "the op "gather" of layer "fc"", or after it, or at the input.
class Place {
 public:
  void move_to(const TracedOp& op, const std::string& layer) {
    if (!layer.empty()) {
      last_ = layer;
    }
    text_ = "the op \"" + op.name + "\" ";
    text_ += !layer.empty()  ? "of layer \"" + layer + "\""
             : last_.empty() ? "at the input"
                             : "after layer \"" + last_ + "\"";
  }
  const std::string& str() const { return text_; }

 private:
  std::string last_, text_;
};

[[noreturn]] void refuse(const std::string& why) {
  throw ValueError("[onnx] " + why);
}

// Checks that an op came the same way in both calls.
void compare(const TracedOp& two, const TracedOp& three, const OnnxGraph& graph,
             const std::string& place) {
  const bool alike = two.name == three.name &&
                     two.inputs.size() == three.inputs.size() &&
                     two.output.rank() == three.output.rank();
  if (!alike) {
    refuse("the forward pass takes another way with another input: " + place);
  }
  if (two.attributes != three.attributes) {
    refuse(place + " has arguments that depend on the batch size");
  }
  for (std::size_t i = 0; i < two.inputs.size(); ++i) {
    const Tensor& input = two.inputs[i];
    if (!input.defined() || graph.knows(input)) {
      continue;
    }
    if (!three.inputs[i].defined() || !equal_elements(input, three.inputs[i])) {
      refuse("input " + std::to_string(i) + " of " + place +
             " was computed by something that is not a recorded op");
    }
  }
}

void translate(const TracedOp& op, const OnnxExportOptions& options,
               const std::string& place, OnnxGraph& graph) {
  const auto& built_in = detail::onnx_translations();
  const auto own = options.translations.find(op.name);
  const auto known = built_in.find(op.name);
  if (own == options.translations.end() && known == built_in.end()) {
    refuse("there is no translation for " + place +
           "; OnnxExportOptions::translations takes one");
  }
  try {
    (own != options.translations.end() ? own->second : known->second)(op,
                                                                      graph);
  } catch (const detail::Untranslatable& error) {
    refuse(place + " has no counterpart: " + error.what());
  }
  if (!graph.knows(op.output)) {
    refuse("the translation of " + place + " gave no result");
  }
}

io::OnnxValue value_of(const std::string& name, const Tensor& two,
                       const Tensor& three, const std::string& batch) {
  io::OnnxValue value;
  value.name = name;
  value.dtype = two.dtype();
  for (std::size_t i = 0; i < two.rank(); ++i) {
    if (two.shape()[i] == three.shape()[i]) {
      value.shape.emplace_back(two.shape()[i]);
    } else {
      value.shape.emplace_back(batch);
    }
  }
  return value;
}

}  // namespace

io::OnnxModel onnx_model(Module& model, const Shape& sample,
                         const OnnxExportOptions& options) {
  const Evaluation evaluation(model);
  const Call two = call(model, 2, sample, options.input_dtype);
  const Call three = call(model, 3, sample, options.input_dtype);
  if (two.ops.size() != three.ops.size()) {
    refuse("the forward pass takes another way with another input");
  }
  OnnxGraph graph(model.state(), two.input, options.input_name,
                  options.output_name);
  const Layers layers(model);
  Place place;
  for (std::size_t i = 0; i < two.ops.size(); ++i) {
    TracedOp op = two.ops[i];
    const std::string layer = layers.of(op);
    place.move_to(op, layer);
    compare(op, three.ops[i], graph, place.str());
    const auto lengths =
        lengths_of(op.output.shape(), three.ops[i].output.shape());
    if (op.name == "reshape") {
      if (!lengths) {
        refuse(place.str() + " has two lengths that depend on the batch size");
      }
      op.attributes["lengths"] = *lengths;
    }
    graph.begin(layer.empty() ? op.name : layer);
    translate(op, options, place.str(), graph);
  }
  if (!graph.knows(two.output)) {
    refuse("the output was computed by something that is not a recorded op");
  }
  graph.give(two.output);
  io::OnnxModel result =
      graph.finish({value_of(options.input_name, two.input, three.input,
                             options.batch_name)},
                   {value_of(options.output_name, two.output, three.output,
                             options.batch_name)});
  const std::string text = model.describe();
  result.name = text.substr(0, text.find('('));
  result.metadata = options.metadata;
  return result;
}

void export_onnx(Module& model, const std::string& path, const Shape& sample,
                 const OnnxExportOptions& options) {
  io::write_onnx(path, onnx_model(model, sample, options));
}

}  // namespace mjolnir::train

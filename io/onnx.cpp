#include <mjolnir/io/onnx.h>
#include <mjolnir/version.h>

#include <limits>
#include <type_traits>

#include "core/detail/dispatch.h"
#include "io/detail/protobuf.h"

// Field numbers and enumerations are those of onnx.proto; as there, repeated
// numbers are not packed.
namespace mjolnir::io {
namespace {

using detail::ProtobufMessage;

std::int64_t element_type(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return 1;
    case DType::F64:
      return 11;
    case DType::I64:
      return 7;
    case DType::U8:
      break;
  }
  return 2;
}

// AttributeProto: 1 name, 2 f, 3 i, 4 s, 8 ints, 20 type.
ProtobufMessage encode(const std::string& name, const OnnxAttribute& value) {
  enum Type : std::int64_t { Float = 1, Int = 2, String = 3, Ints = 7 };
  ProtobufMessage message;
  message.text(1, name);
  std::visit(
      [&message](const auto& v) {
        using V = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<V, float>) {
          message.float32(2, v);
          message.integer(20, Float);
        } else if constexpr (std::is_same_v<V, std::int64_t>) {
          message.integer(3, v);
          message.integer(20, Int);
        } else if constexpr (std::is_same_v<V, std::string>) {
          message.text(4, v);
          message.integer(20, String);
        } else {
          for (const std::int64_t number : v) message.integer(8, number);
          message.integer(20, Ints);
        }
      },
      value);
  return message;
}

// NodeProto: 1 input, 2 output, 3 name, 4 op_type, 5 attribute.
ProtobufMessage encode(const OnnxNode& node) {
  ProtobufMessage message;
  for (const std::string& input : node.inputs) message.text(1, input);
  for (const std::string& output : node.outputs) message.text(2, output);
  if (!node.name.empty()) message.text(3, node.name);
  message.text(4, node.op_type);
  for (const auto& [name, value] : node.attributes) {
    message.message(5, encode(name, value));
  }
  return message;
}

// TensorProto: 1 dims, 2 data_type, 8 name, 9 raw_data.
ProtobufMessage encode(const std::string& name, const Tensor& tensor) {
  if (!tensor.defined()) {
    throw ValueError("[onnx] expected a tensor for '" + name +
                     "', got an undefined one");
  }
  ProtobufMessage message;
  for (const std::int64_t length : tensor.shape()) message.integer(1, length);
  message.integer(2, element_type(tensor.dtype()));
  message.text(8, name);
  mjolnir::detail::dispatch_any(tensor.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const auto put = [&message, &tensor](const T* elements) {
      message.text(9, {reinterpret_cast<const char*>(elements),
                       static_cast<std::size_t>(tensor.numel()) * sizeof(T)});
    };
    if (tensor.layout() == Layout::RowMajor) {
      put(tensor.data<T>());
    } else {
      put(tensor.to_vector<T>().data());
    }
  });
  return message;
}

// ValueInfoProto: 1 name, 2 type. TypeProto: 1 tensor_type. Tensor: 1
// elem_type, 2 shape. TensorShapeProto: 1 dim. Dimension: 1 dim_value, 2
// dim_param.
ProtobufMessage encode(const OnnxValue& value) {
  ProtobufMessage shape;
  for (const auto& length : value.shape) {
    ProtobufMessage dimension;
    if (const auto* number = std::get_if<std::int64_t>(&length)) {
      dimension.integer(1, *number);
    } else {
      dimension.text(2, std::get<std::string>(length));
    }
    shape.message(1, dimension);
  }
  ProtobufMessage tensor;
  tensor.integer(1, element_type(value.dtype));
  tensor.message(2, shape);
  ProtobufMessage type;
  type.message(1, tensor);
  ProtobufMessage message;
  message.text(1, value.name);
  message.message(2, type);
  return message;
}

// GraphProto: 1 node, 2 name, 5 initializer, 11 input, 12 output.
ProtobufMessage graph_of(const OnnxModel& model) {
  ProtobufMessage graph;
  for (const OnnxNode& node : model.nodes) graph.message(1, encode(node));
  graph.text(2, model.name);
  for (const auto& [name, tensor] : model.initializers) {
    graph.message(5, encode(name, tensor));
  }
  for (const OnnxValue& input : model.inputs) graph.message(11, encode(input));
  for (const OnnxValue& out : model.outputs) graph.message(12, encode(out));
  return graph;
}

}  // namespace

// ModelProto: 1 ir_version, 2 producer_name, 3 producer_version, 7 graph,
// 8 opset_import, 14 metadata_props. OperatorSetIdProto: 1 domain, 2 version.
// StringStringEntryProto: 1 key, 2 value.
std::string encode_onnx(const OnnxModel& model) {
  ProtobufMessage opset;
  opset.text(1, "");
  opset.integer(2, model.opset);
  ProtobufMessage message;
  message.integer(1, model.ir_version);
  message.text(2, "mjolnir");
  message.text(3, model.version.empty() ? library_version() : model.version);
  message.message(7, graph_of(model));
  message.message(8, opset);
  for (const auto& [key, value] : model.metadata) {
    ProtobufMessage entry;
    entry.text(1, key);
    entry.text(2, value);
    message.message(14, entry);
  }
  if (message.bytes().size() > std::numeric_limits<std::int32_t>::max()) {
    throw ValueError("[onnx] expected a model below 2 GiB, got " +
                     std::to_string(message.bytes().size()) + " bytes");
  }
  return message.bytes();
}

void write_onnx(const std::string& path, const OnnxModel& model) {
  write_file(path, encode_onnx(model));
}

}  // namespace mjolnir::io

import CONNX

/// A model as Swift values. The protobuf message it came from is kept, so that what is not edited is written back as it was.
public struct Model: Sendable {
  public var irVersion: Int64
  public var producer: String
  /// Domain ("" is ai.onnx) → version.
  public var opsets: [String: Int64]
  public var metadata: [String: String]
  public var graph: Graph
  public var functions: [LocalFunction]
}

public struct Graph: Sendable {
  public var name: String
  /// Where it stands: "" for the main graph, `node/attribute/` for a subgraph, `node>Function/` for a function's body.
  public var path: String
  public var nodes: [Node]
  public var inputs: [ValueInfo]
  public var outputs: [ValueInfo]
  public var valueInfo: [ValueInfo]
  public var initializers: [Tensor]
}

public struct LocalFunction: Sendable {
  public var domain: String
  public var name: String
  public var attributes: [String]
  public var inputs: [String]
  public var outputs: [String]
  public var nodes: [Node]
}

public struct Node: Sendable {
  /// Position in its graph's list as the file has it.
  public var index: Int
  public var name: String
  public var domain: String
  public var opType: String
  /// "" is an absent optional.
  public var inputs: [String]
  public var outputs: [String]
  public var attributes: [String: AttributeValue]
  /// `metadata_props` (IR 10): exporters leave module paths there.
  public var metadata: [String: String]
}

public enum AttributeValue: Sendable {
  case int(Int64)
  case float(Float)
  case string(String)
  case tensor(Tensor)
  case graph(Graph)
  case ints([Int64])
  case floats([Float])
  case strings([String])
  case graphs([Graph])
  /// Refers to an attribute of the function it stands in.
  case reference(String)
  /// Sparse tensors, types and what is newer than this reader.
  case other
}

/// A value's declared type; an absent shape is unknown, an absent dimension too.
public struct ValueInfo: Sendable {
  public var name: String
  /// TensorProto.DataType; 0 where it is no tensor or not given.
  public var elementType: Int32
  public var shape: [Dimension?]?
}

/// A tensor's header; its data is fetched when asked for.
public struct Tensor: Sendable {
  public var name: String
  public var elementType: Int32
  public var dims: [Int64]
  /// Set where the data stands in another file.
  public var external: ExternalData?
}

public struct ExternalData: Equatable, Sendable {
  public var location: String
  public var offset: UInt64
  public var length: UInt64?
}

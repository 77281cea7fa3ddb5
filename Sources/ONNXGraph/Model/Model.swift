import CONNX

/// A model as Swift values. The protobuf message it came from is kept, so that what is not edited is written back as it
/// was.
public struct Model: Sendable {
  public let irVersion: Int64
  public let producer: String
  /// Domain ("" is ai.onnx) → version.
  public let opsets: [String: Int64]
  public let metadata: [String: String]
  public let graph: Graph
  public let functions: [LocalFunction]
  /// The main graph's.
  public let index: GraphIndex
  /// What messages call it.
  public let path: String
  let storage: ModelStorage

  /// How deeply graphs may stand inside graphs, and functions call functions.
  public static let nestingLimit = 64

  /// Dimensions of a tensor, as numpy has it; no runtime takes as many.
  static let rankLimit = 64

  /// Reads a model from a file and checks what can be checked without reading external data.
  ///
  /// - Throws: `ModelError` for a file that is absent, unreadable, not ONNX, cut short, larger than 2 GiB or hostile:
  ///   external data outside the model's folder, sizes that overflow, nesting beyond `nestingLimit`, duplicate names,
  ///   cycles.
  public static func load(path: String) throws(ModelError) -> Model {
    let file = try MappedFile.open(path: path)
    let storage = try ModelStorage(file: file, copy: [], path: path, folder: ExternalFolder(ofModel: path))
    return try ModelReader(storage: storage, path: path).read()
  }

  /// Reads a model from memory.
  ///
  /// - Parameter path: where it stands or will stand: names it in messages, and external data is looked for beside it.
  public static func load(bytes: [UInt8], path: String) throws(ModelError) -> Model {
    let storage = try ModelStorage(file: nil, copy: bytes, path: path, folder: ExternalFolder(ofModel: path))
    return try ModelReader(storage: storage, path: path).read()
  }

  /// The file as it was read.
  public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    try storage.withBytes(body)
  }
}

public struct Graph: Sendable {
  public var name: String
  /// Where it stands: "" for the main graph, `node/attribute/` for a subgraph, `node>Function/` for a function's body.
  ///
  /// The node's name, or its first output's where it has none; unique in a model.
  public var path: String
  /// Where an edit finds it.
  public var location = GraphLocation.main
  public var nodes: [Node]
  /// Without those that an initializer fixes in files before IR 4.
  public var inputs: [ValueInfo]
  public var outputs: [ValueInfo]
  public var valueInfo: [ValueInfo]
  public var initializers: [Tensor]
  /// Names of sparse initializers: constants that are not read.
  public var sparseInitializers: [String] = []
}

public struct LocalFunction: Sendable {
  public var domain: String
  public var name: String
  public var overload: String = ""
  public var location = GraphLocation.main
  public var attributes: [String]
  /// Attributes with a default value (IR 9).
  public var defaults: [String: AttributeValue] = [:]
  public var inputs: [String]
  public var outputs: [String]
  public var opsets: [String: Int64] = [:]
  public var nodes: [Node]
}

public struct Node: Sendable {
  /// Position in its graph's list as the file has it.
  public var index: Int
  public var name: String
  public var domain: String
  public var opType: String
  public var overload: String = ""
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

  public init(name: String, elementType: Int32, shape: [Dimension?]?) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
  }
}

public struct ExternalData: Hashable, Sendable {
  public var location: String
  public var offset: UInt64
  public var length: UInt64?

  public init(location: String, offset: UInt64, length: UInt64?) {
    self.location = location
    self.offset = offset
    self.length = length
  }
}

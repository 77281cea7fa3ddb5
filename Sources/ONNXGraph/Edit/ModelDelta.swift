/// What an edit changes; all else comes out as it went in.
public struct ModelDelta: Sendable {
  public var graphs: [GraphLocation: GraphDelta] = [:]
  /// Domains to import, or to import in another version. Functions that get nodes of such a domain import it too.
  public var opsets: [String: Int64] = [:]
  public var removedMetadata: Set<String> = []
  /// Entries to add at the end, in order; an entry of the same key is replaced.
  public var metadata: [(key: String, value: String)] = []

  public init() {}

  /// The changes to one graph.
  public subscript(location: GraphLocation) -> GraphDelta {
    get { graphs[location] ?? GraphDelta() }
    set { graphs[location] = newValue }
  }

  public var isEmpty: Bool {
    opsets.isEmpty && removedMetadata.isEmpty && metadata.isEmpty && graphs.values.allSatisfy(\.isEmpty)
  }
}

/// Changes to one list of nodes and, in a graph, to what stands beside it. Node indices are the file's (`Node.index`).
public struct GraphDelta: Sendable {
  public var removedNodes: Set<Int> = []
  public private(set) var insertedNodes: [(before: Int, node: NewNode)] = []
  /// Other names for inputs of nodes that stay.
  public var renamedInputs: [Port: String] = [:]
  /// Other names for outputs of nodes that stay.
  public var renamedOutputs: [Port: String] = [:]

  /// Other names for nodes that stay.
  public var renamedNodes: [Int: String] = [:]

  public var removedInitializers: Set<String> = []
  public var addedInitializers: [Tensor] = []
  public var removedInputs: Set<String> = []
  public var addedInputs: [ValueInfo] = []
  public var removedOutputs: Set<String> = []
  public var addedOutputs: [ValueInfo] = []
  /// Entries for values that no node makes any more go by themselves.
  public var removedValueInfo: Set<String> = []
  public var addedValueInfo: [ValueInfo] = []

  public struct Port: Hashable, Sendable {
    public var node: Int
    public var index: Int

    public init(node: Int, index: Int) {
      self.node = node
      self.index = index
    }
  }

  public init() {}

  /// Adds a node before the one that has an index in the file; the count of nodes: at the end. Nodes added before the
  /// same index stand in the order in which they were added.
  public mutating func insert(_ node: NewNode, before index: Int) { insertedNodes.append((index, node)) }

  public mutating func insert(_ nodes: [NewNode], before index: Int) {
    for node in nodes { insert(node, before: index) }
  }

  public var isEmpty: Bool {
    removedNodes.isEmpty && insertedNodes.isEmpty && renamedInputs.isEmpty && renamedOutputs.isEmpty
      && renamedNodes.isEmpty && removedInitializers.isEmpty && addedInitializers.isEmpty && removedInputs.isEmpty
      && addedInputs.isEmpty && removedOutputs.isEmpty && addedOutputs.isEmpty && removedValueInfo.isEmpty
      && addedValueInfo.isEmpty
  }
}

extension GraphIndex {
  /// The first place where a new node may stand that reads these values: after the last of their producers.
  public func insertionIndex(after values: [String]) -> Int {
    values.reduce(0) { position, value in
      guard let producer = producer(of: value) else { return position }
      return Swift.max(position, producer.index + 1)
    }
  }
}

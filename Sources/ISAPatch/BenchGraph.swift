import AttentionPatterns
import ONNXGraph
import SparseAttention

/// Small models of one attention, for `bench attention`: query, key and value [1, N, H·D] in. Only the result's first token
/// leaves the graph, so that handing it over takes no time.
struct BenchGraph {
  var tokens: Int
  var heads: Int
  var headSize: Int
  /// A bias on all scores, the same for all heads.
  var hasBias = false

  static let inputs = ["q", "k", "v"]
  static let bias = "bias"
  static let output = "o"
  static let statistics = "statistics"

  private var width: Int { heads * headSize }

  func peer(_ peer: BenchPeer) throws(ModelError) -> [UInt8] {
    let h = Int64(heads)
    switch peer {
    case .multiHeadAttention:
      let node = NewNode(
        "MultiHeadAttention", domain: "com.microsoft", name: "attention",
        inputs: Self.inputs + (hasBias ? ["", "", Self.bias] : []), outputs: ["whole"],
        attributes: ["num_heads": .int(h)])
      return try model([node], opsets: ["com.microsoft": 1])
    case .attention23:
      let node = NewNode(
        "Attention", name: "attention", inputs: Self.inputs + (hasBias ? [Self.bias] : []), outputs: ["whole"],
        attributes: ["q_num_heads": .int(h), "kv_num_heads": .int(h)])
      return try model([node], opsets: ["": 23], irVersion: 10)
    case .decomposed:
      func add(_ type: String, _ inputs: [String], _ output: String, perm: [Int64]? = nil) -> NewNode {
        NewNode(
          type, name: output, inputs: inputs, outputs: [output], attributes: perm.map { ["perm": .ints($0)] } ?? [:])
      }
      var nodes: [NewNode] = []
      for (name, perm) in [("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])] as [(String, [Int64])] {
        nodes.append(add("Reshape", [name, "split"], name + "4"))
        nodes.append(add("Transpose", [name + "4"], name + "t", perm: perm))
      }
      nodes += [add("MatMul", ["qt", "kt"], "scores"), add("Mul", ["scores", "scale"], "scaled")]
      if hasBias { nodes.append(add("Add", ["scaled", Self.bias], "biased")) }
      nodes += [
        add("Softmax", [hasBias ? "biased" : "scaled"], "weights"), add("MatMul", ["weights", "vt"], "ot"),
        add("Transpose", ["ot"], "o4", perm: [0, 2, 1, 3]), add("Reshape", ["o4", "joined"], "whole"),
      ]
      return try model(
        nodes,
        initializers: [
          Tensor(name: "split", int64s: [0, 0, h, Int64(headSize)]),
          Tensor(name: "joined", int64s: [0, 0, Int64(width)]),
          Tensor(name: "scale", dims: [], floats: [1 / Float(headSize).squareRoot()]),
        ])
    }
  }

  /// Half of the tokens are the target's, half the context's, in tiles where the halves form grids. With statistics the
  /// operator ranks blocks whatever its policy, so a model that is timed goes without.
  func operatorModel(_ policy: Policy, compute: ComputeType, statistics: Bool) throws(ModelError) -> [UInt8] {
    let halves = [tokens - tokens / 2, tokens / 2]
    let grids = halves.map(Self.grid)
    let rows: [Int64] = zip(halves, grids).flatMap { length, grid -> [Int64] in
      let sizes = grid.map { [$0.frames, $0.rows, $0.columns] } ?? [0, 0, 0]
      return ([length] + sizes).map { Int64($0) }
    }
    let kinds = ["target", "context"]
    var attributes: [String: AttributeValue] = [
      "num_heads": .int(Int64(heads)), "layout": .string("BSE"), "compute": .string(compute.rawValue),
      "site": .string("bench"), "query_segment_kinds": .strings(kinds), "key_segment_kinds": .strings(kinds),
      "segment_kinds": .string("target,context;target,context"),
      "policies": .tensor(
        Tensor(name: "", dims: [1, heads, Policy.rowLength], floats: (0..<heads).flatMap { _ in policy.row })),
    ]
    if grids.contains(where: { $0 != nil }) { attributes["tile"] = .ints([4, 4, 4]) }
    let node = NewNode(
      RewriteNames.attention, domain: RewriteNames.domain, name: "attention",
      inputs: Self.inputs + ["", hasBias ? Self.bias : "", "segments", "segments"],
      outputs: statistics ? ["whole", Self.statistics] : ["whole"],
      attributes: attributes)
    return try model(
      [node], initializers: [Tensor(name: "segments", dims: [2, 4], int64s: rows)], opsets: [RewriteNames.domain: 1],
      outputs: statistics
        ? [ValueInfo(name: Self.statistics, elementType: ONNXGraph.ElementType.float32.rawValue, shape: [1, nil, 4])]
        : [])
  }

  /// Frames of 16×16 tokens or of 8×8; nil where they do not come out even.
  static func grid(_ tokens: Int) -> Grid? {
    for side in [16, 8] where tokens > 0 && tokens % (side * side) == 0 {
      return Grid(frames: tokens / (side * side), rows: side, columns: side)
    }
    return nil
  }

  /// An empty model of opset 17, as bytes of protobuf: IR version, a graph named "bench", the opset.
  private static func empty(irVersion: UInt8) -> [UInt8] {
    [0x08, irVersion, 0x3A, 7, 0x12, 5] + Array("bench".utf8) + [0x42, 2, 0x10, 17]
  }

  private func model(
    _ nodes: [NewNode], initializers: [Tensor] = [], opsets: [String: Int64] = [:], irVersion: UInt8 = 8,
    outputs: [ValueInfo] = []
  ) throws(ModelError) -> [UInt8] {
    let base = try Model.load(bytes: Self.empty(irVersion: irVersion), path: "bench.onnx")
    var graph = GraphDelta()
    let float = ONNXGraph.ElementType.float32.rawValue
    let shape: [Dimension?] = [1, Dimension(tokens), Dimension(width)]
    graph.addedInputs = Self.inputs.map { ValueInfo(name: $0, elementType: float, shape: shape) }
    if hasBias {
      let square: [Dimension?] = [1, 1, Dimension(tokens), Dimension(tokens)]
      graph.addedInputs.append(ValueInfo(name: Self.bias, elementType: float, shape: square))
    }
    graph.addedInitializers =
      initializers + [
        Tensor(name: "zero", int64s: [0]), Tensor(name: "one", int64s: [1]),
      ]
    graph.insert(
      nodes + [
        NewNode("Slice", name: "first", inputs: ["whole", "zero", "one", "one"], outputs: [Self.output])
      ], before: 0)
    graph.addedOutputs = [ValueInfo(name: Self.output, elementType: float, shape: [1, 1, Dimension(width)])] + outputs
    var delta = ModelDelta()
    delta[.main] = graph
    delta.opsets = opsets
    return try delta.applied(to: base)
  }
}

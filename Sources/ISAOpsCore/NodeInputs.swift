import SparseAttention
import SparseAttentionCPU

/// A run's tensors, checked against the node and against each other.
struct NodeInputs {
  let query: HeadShape
  let key: HeadShape
  let value: HeadShape
  let output: HeadShape
  /// All but the output and the policies.
  private let problem: AttentionProblem
  private let outputLayout: Layout

  init(
    _ arguments: KernelArguments, _ node: NodeConfiguration, element: ElementType
  ) throws(OperatorFailure) {
    let q = try arguments.required(0, "query")
    let k = try arguments.required(1, "key")
    let v = try arguments.required(2, "value")
    query = try HeadShape(q.shape, node.queryLayout, heads: node.heads, of: "query")
    key = try HeadShape(k.shape, node.keyLayout, heads: node.kvHeads, of: "key")
    value = try HeadShape(v.shape, node.valueLayout, heads: node.kvHeads, of: "value")
    guard key.batch == query.batch, value.batch == query.batch else {
      throw OperatorFailure("query, key and value have batches of \(query.batch), \(key.batch) and \(value.batch)")
    }
    guard key.tokens == value.tokens else {
      throw OperatorFailure("key has \(key.tokens) tokens and value \(value.tokens)")
    }
    guard key.size == query.size else {
      throw OperatorFailure("query has a head size of \(query.size) and key of \(key.size)")
    }
    output = HeadShape(batch: query.batch, tokens: query.tokens, heads: node.heads, size: value.size)
    outputLayout = node.outputLayout
    let segments = try SegmentTable.resolve(
      query: SegmentTable(arguments.input(5), kinds: node.queryKinds, side: "query"),
      key: SegmentTable(arguments.input(6), kinds: node.keyKinds, side: "key"),
      queries: query.tokens, keys: key.tokens)
    var p = AttentionProblem(
      query: query.view(q.memory, node.queryLayout), key: key.view(k.memory, node.keyLayout),
      value: value.view(v.memory, node.valueLayout), output: output.view(q.memory, node.outputLayout),
      querySegments: segments.query, keySegments: segments.key, policies: [])
    p.batch = query.batch
    p.heads = node.heads
    p.kvHeads = node.kvHeads
    p.queries = query.tokens
    p.keys = key.tokens
    p.headSize = query.size
    p.valueSize = value.size
    p.element = element
    p.compute = node.compute
    p.scale = node.scale ?? 1 / Float(query.size).squareRoot()
    p.blockQ = node.blockQ
    p.blockK = node.blockK
    p.tile = node.tile
    p.edges = node.edges
    if let mask = try arguments.input(3) {
      guard mask.shape.count == 2, [1, query.batch].contains(mask.shape[0]), mask.shape[1] == key.tokens else {
        throw OperatorFailure("key_mask has the shape \(mask.shape), not [1 or \(query.batch), \(key.tokens)]")
      }
      p.keyMask = UnsafePointer(mask.memory.assumingMemoryBound(to: UInt8.self))
      p.keyMaskBatchStride = mask.shape[0] == 1 ? 0 : key.tokens
    }
    if let bias = try arguments.input(4) {
      p.bias = try BiasView(bias, to: [query.batch, node.heads, query.tokens, key.tokens])
    }
    switch node.maskedKeys {
    case .absent: break
    case .scored(let score): p.maskedScore = score
    case .biased(let bias): p.maskedBias = bias
    }
    p.biasFirst = node.biasFirst
    p.biasScale = node.biasScale
    if let least = node.replacingBias { p.replacingBias = least }
    p.emptyRow = node.emptyRows.value
    problem = p
  }

  /// The problem with the output in `memory`, of `output`'s shape.
  func problem(into memory: UnsafeMutableRawPointer, _ policies: [Policy]) -> AttentionProblem {
    var p = problem
    p.output = output.view(memory, outputLayout)
    p.policies = policies
    return p
  }
}

extension NodeConfiguration {
  /// The policies of the run's operating point.
  func policies(at point: TensorArgument?) throws(OperatorFailure) -> [Policy] {
    guard let point else { return policies[0] }
    guard point.count == 1 else { throw OperatorFailure("point has the shape \(point.shape); it must be a scalar") }
    let index = point.memory.loadUnaligned(as: Int64.self)
    guard index >= 0, index < Int64(policies.count) else {
      throw OperatorFailure("point is \(index), but the node has \(policies.count) operating points")
    }
    return policies[Int(index)]
  }
}

import SparseAttention

/// Element types of the operator's tensors, and of the products.
public enum ElementType: Int32, Sendable {
  // The numbers are ONNX's TensorProto.DataType.
  case float32 = 1
  case float16 = 10
  case bfloat16 = 16
}

/// A [batch, heads, tokens, size] view of memory; the last axis is contiguous. Strides count elements.
public struct TensorView: @unchecked Sendable {
  public var base: UnsafeMutableRawPointer
  public var batchStride: Int
  public var headStride: Int
  public var tokenStride: Int

  public init(_ base: UnsafeMutableRawPointer, batchStride: Int, headStride: Int, tokenStride: Int) {
    self.base = base
    self.batchStride = batchStride
    self.headStride = headStride
    self.tokenStride = tokenStride
  }
}

/// Additive bias, broadcast to [batch, heads, queries, keys]: a stride of 0 repeats. Strides count elements.
public struct BiasView: @unchecked Sendable {
  public var base: UnsafeRawPointer
  public var batchStride: Int
  public var headStride: Int
  public var queryStride: Int
  public var keyStride: Int

  public init(_ base: UnsafeRawPointer, batchStride: Int, headStride: Int, queryStride: Int, keyStride: Int) {
    self.base = base
    self.batchStride = batchStride
    self.headStride = headStride
    self.queryStride = queryStride
    self.keyStride = keyStride
  }
}

/// One call of the operator: everything that the caller owns, in the caller's memory.
public struct AttentionProblem: @unchecked Sendable {
  public var batch = 1
  /// Query heads; a multiple of `kvHeads`.
  public var heads = 1
  public var kvHeads = 1
  /// Query and key tokens.
  public var queries = 0
  public var keys = 0
  /// Width of a query or key head and of a value head, 1 to 256.
  public var headSize = 1
  public var valueSize = 1
  /// Type of query, key, value, bias and output.
  public var element = ElementType.float32
  /// Type of the products; sums are float32.
  public var compute = ElementType.float32
  public var scale: Float = 1
  public var query: TensorView
  public var key: TensorView
  public var value: TensorView
  public var output: TensorView
  /// One byte a key, 0 = masked; [batch or 1, keys] by `keyMaskBatchStride` (0: one row for all).
  public var keyMask: UnsafePointer<UInt8>?
  public var keyMaskBatchStride = 0
  /// Score of a masked key: together they are one more term. Nil: they are nothing.
  public var maskedScore: Float?
  /// Where a batch entry has no other keys, and with a bias everywhere, masked keys are attended to, exactly, with this
  /// added to their scores.
  public var maskedBias: Float?
  /// The bias is added before it.
  public var biasFirst = false
  /// By what scores are multiplied after the bias is added: it is in `scale` already.
  public var biasScale: Float = 1
  public var bias: BiasView?
  /// A bias of this or less stands in the place of the score.
  public var replacingBias = -Float.infinity
  /// What a query without any key gives: zero, or NaN. No keys at all give zeros.
  public var emptyRow: Float = 0
  public var querySegments: [Segment]
  public var keySegments: [Segment]
  /// 64 or 128, and 32 or 64.
  public var blockQ = 64
  public var blockK = 64
  /// Tokens of a tile by frames × rows × columns; nil keeps sequence order.
  public var tile: Grid?
  /// What becomes of the tokens that no whole tile covers.
  public var edges = TileEdges.shared
  /// One a query head.
  public var policies: [Policy]
  /// [batch, heads, 4] float32: executed density, share of full query blocks, context kept, mean sharpness.
  public var statistics: UnsafeMutablePointer<Float>?

  public init(
    query: TensorView, key: TensorView, value: TensorView, output: TensorView, querySegments: [Segment],
    keySegments: [Segment], policies: [Policy]
  ) {
    self.query = query
    self.key = key
    self.value = value
    self.output = output
    self.querySegments = querySegments
    self.keySegments = keySegments
    self.policies = policies
  }
}

/// Runs `count` tasks, some at once, and returns when all are done: ONNX Runtime's thread pool, or another.
public protocol TaskRunner {
  /// Threads that may run tasks at once; scratch is kept for as many.
  var threads: Int { get }
  func run(
    _ count: Int, _ body: @convention(c) (UnsafeMutableRawPointer?, Int) -> Void, _ context: UnsafeMutableRawPointer?)
}

/// Everything in the calling thread.
public struct SerialRunner: TaskRunner {
  public init() {}
  public var threads: Int { 1 }
  public func run(
    _ count: Int, _ body: @convention(c) (UnsafeMutableRawPointer?, Int) -> Void, _ context: UnsafeMutableRawPointer?
  ) {
    for i in 0..<count { body(context, i) }
  }
}

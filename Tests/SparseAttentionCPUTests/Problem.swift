import Foundation
import SparseAttention
import SparseAttentionCPU
import Testing

/// Repeatable Gaussian numbers (splitmix64, Box–Muller).
struct Noise {
  var state: UInt64
  init(_ seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1 }
  mutating func bits() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
  mutating func uniform() -> Double { Double(bits() >> 11) * 0x1p-53 }
  mutating func normal() -> Float {
    let u = 1 - uniform()
    let v = uniform()
    return Float((-2 * log(u)).squareRoot() * cos(2 * .pi * v))
  }
  mutating func pick<T>(_ options: [T]) -> T { options[Int(bits() % UInt64(options.count))] }
  mutating func int(_ range: ClosedRange<Int>) -> Int { range.lowerBound + Int(bits() % UInt64(range.count)) }
}

/// Real threads.
struct ThreadRunner: TaskRunner {
  var threads: Int
  func run(
    _ count: Int, _ body: @convention(c) (UnsafeMutableRawPointer?, Int) -> Void, _ context: UnsafeMutableRawPointer?
  ) {
    nonisolated(unsafe) let context = context
    DispatchQueue.concurrentPerform(iterations: count) { body(context, $0) }
  }
}

/// The memory and the words of one call, in any layout and type.
final class Problem: @unchecked Sendable {
  enum Layout: CaseIterable { case bshd, bhsd }

  var batch = 1, heads = 1, kvHeads = 1
  var headSize = 64, valueSize = 64
  var querySegments: [Segment] = [], keySegments: [Segment] = []
  var element = ElementType.float32, compute = ElementType.float32
  var blockQ = 64, blockK = 64
  var tile: Grid?
  var edges = TileEdges.shared
  var policies: [Policy] = [.exact]
  var scale: Float?
  var layout = Layout.bshd
  /// [batch or 1][keys].
  var mask: [[Bool]]?
  var maskedKeys = MaskedKeys.absent
  var emptyRows = EmptyRows.zero
  /// [batch][heads][queries][keys]; one that is 1 long repeats.
  var bias: [[[[Float]]]]?
  var biasFirst = false
  var biasScale: Float = 1
  var replacingBias = -Float.infinity
  var amplitude: Float = 1
  /// [batch][heads][tokens][size], rounded to the element type.
  private(set) var q: [[[[Float]]]] = [], k: [[[[Float]]]] = [], v: [[[[Float]]]] = []

  var queries: Int { querySegments.reduce(0) { $0 + $1.length } }
  var keys: Int { keySegments.reduce(0) { $0 + $1.length } }
  var scaled: Float { scale ?? 1 / Float(headSize).squareRoot() }

  func fill(_ seed: Int) {
    var noise = Noise(seed)
    func tensor(_ h: Int, _ s: Int, _ d: Int, _ a: Float) -> [[[[Float]]]] {
      (0..<batch).map { _ in
        (0..<h).map { _ in (0..<s).map { _ in (0..<d).map { _ in Self.round(noise.normal() * a, element) } } }
      }
    }
    q = tensor(heads, queries, headSize, amplitude)
    k = tensor(kvHeads, keys, headSize, 1)
    v = tensor(kvHeads, keys, valueSize, 1)
  }

  func set(q: [[[[Float]]]], k: [[[[Float]]]], v: [[[[Float]]]]) {
    (self.q, self.k, self.v) = (q, k, v)
  }

  static func round(_ x: Float, _ type: ElementType) -> Float {
    switch type {
    case .float32: x
    case .float16: Float(Float16(x))
    case .bfloat16: Float(bitPattern: (x.bitPattern + 0x7fff + ((x.bitPattern >> 16) & 1)) & 0xffff_0000)
    }
  }

  struct Result {
    /// [batch][heads][queries][value size].
    var output: [[[[Float]]]]
    /// [batch][heads].
    var statistics: [[[Float]]]
  }

  /// Memory that ends where a page begins that nobody may touch: reading or writing past a tensor is a crash.
  private func memory(_ count: Int) -> UnsafeMutableRawPointer {
    let (whole, inside) = Self.pages(count * element.bytes)
    guard let base = mmap(nil, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) else {
      preconditionFailure("no memory")
    }
    mprotect(base + inside, whole - inside, PROT_NONE)
    return base + (inside - count * element.bytes)
  }
  private func free(_ p: UnsafeMutableRawPointer, _ count: Int) {
    let (whole, inside) = Self.pages(count * element.bytes)
    munmap(p - (inside - count * element.bytes), whole)
  }
  private static func pages(_ bytes: Int) -> (whole: Int, inside: Int) {
    let inside = (bytes + 4095) & ~4095
    return (inside + 4096, inside)
  }

  private func view(_ p: UnsafeMutableRawPointer, _ h: Int, _ s: Int, _ d: Int) -> TensorView {
    switch layout {
    case .bshd: TensorView(p, batchStride: s * h * d, headStride: d, tokenStride: h * d)
    case .bhsd: TensorView(p, batchStride: s * h * d, headStride: s * d, tokenStride: d)
    }
  }
  private func put(_ x: Float, _ p: UnsafeMutableRawPointer, _ i: Int) {
    switch element {
    case .float32: p.storeBytes(of: x, toByteOffset: i * 4, as: Float.self)
    case .float16: p.storeBytes(of: Float16(x), toByteOffset: i * 2, as: Float16.self)
    case .bfloat16: p.storeBytes(of: UInt16(x.bitPattern >> 16), toByteOffset: i * 2, as: UInt16.self)
    }
  }
  private func get(_ p: UnsafeMutableRawPointer, _ i: Int) -> Float {
    switch element {
    case .float32: p.load(fromByteOffset: i * 4, as: Float.self)
    case .float16: Float(p.load(fromByteOffset: i * 2, as: Float16.self))
    case .bfloat16: Float(bitPattern: UInt32(p.load(fromByteOffset: i * 2, as: UInt16.self)) << 16)
    }
  }
  private func write(_ x: [[[[Float]]]], _ w: TensorView) {
    for (b, x) in x.enumerated() {
      for (h, x) in x.enumerated() {
        for (s, x) in x.enumerated() {
          for (d, x) in x.enumerated() {
            put(x, w.base, b * w.batchStride + h * w.headStride + s * w.tokenStride + d)
          }
        }
      }
    }
  }

  /// Calls `body` with the problem in memory; what it left in the output is the result.
  func with(_ body: (AttentionProblem) throws -> Void) rethrows -> Result {
    let sizes = [
      (heads, queries, headSize), (kvHeads, keys, headSize), (kvHeads, keys, valueSize), (heads, queries, valueSize),
    ]
    let views = sizes.map { h, s, d in view(memory(batch * h * s * d), h, s, d) }
    defer { for (w, n) in zip(views, sizes) { free(w.base, batch * n.0 * n.1 * n.2) } }
    for (x, w) in zip([q, k, v], views) { write(x, w) }
    for b in 0..<batch * heads * queries * valueSize { put(.nan, views[3].base, b) }
    var p = AttentionProblem(
      query: views[0], key: views[1], value: views[2], output: views[3], querySegments: querySegments,
      keySegments: keySegments, policies: policies)
    (p.batch, p.heads, p.kvHeads, p.queries, p.keys) = (batch, heads, kvHeads, queries, keys)
    (p.headSize, p.valueSize, p.element, p.compute) = (headSize, valueSize, element, compute)
    (p.blockQ, p.blockK, p.tile, p.edges, p.scale) = (blockQ, blockK, tile, edges, scaled)
    switch maskedKeys {
    case .absent: break
    case .scored(let score): p.maskedScore = score
    case .biased(let bias): p.maskedBias = bias
    }
    (p.emptyRow, p.biasFirst, p.biasScale, p.replacingBias) = (emptyRows.value, biasFirst, biasScale, replacingBias)
    let flags = (mask ?? []).flatMap { $0.map { UInt8($0 ? 1 : 0) } }
    var statistics = Array(repeating: Float(-1), count: batch * heads * 4)
    try flags.withUnsafeBufferPointer { flags in
      try statistics.withUnsafeMutableBufferPointer { statistics in
        if let mask {
          p.keyMask = flags.baseAddress
          p.keyMaskBatchStride = mask.count > 1 ? keys : 0
        }
        p.statistics = statistics.baseAddress
        guard let bias else { return try body(p) }
        let sizes = [bias.count, bias[0].count, bias[0][0].count, bias[0][0][0].count]
        let memory = memory(sizes.reduce(1, *))
        defer { free(memory, sizes.reduce(1, *)) }
        for (i, x) in bias.joined().joined().joined().enumerated() { put(x, memory, i) }
        func stride(_ axis: Int) -> Int { sizes[axis] == 1 ? 0 : sizes[(axis + 1)...].reduce(1, *) }
        p.bias = BiasView(
          memory, batchStride: stride(0), headStride: stride(1), queryStride: stride(2), keyStride: stride(3))
        // Dense without statistics takes the way that orders nothing.
        p.statistics = nil
        try body(p)
      }
    }
    let out = views[3]
    return Result(
      output: (0..<batch).map { b in
        (0..<heads).map { h in
          (0..<queries).map { s in
            (0..<valueSize).map { d in get(out.base, b * out.batchStride + h * out.headStride + s * out.tokenStride + d)
            }
          }
        }
      },
      statistics: (0..<batch).map { b in (0..<heads).map { h in Array(statistics[((b * heads + h) * 4)...].prefix(4)) }
      })
  }

  func run(_ kernel: KernelRow? = nil, threads: Int = 1, selection: [[Selection]]? = nil) throws -> Result {
    try with { p in
      if threads == 1 {
        try AttentionCPU.run(p, on: SerialRunner(), selection: selection, kernel: kernel)
      } else {
        try AttentionCPU.run(p, on: ThreadRunner(threads: threads), selection: selection, kernel: kernel)
      }
    }
  }

  func run(on runner: some TaskRunner) throws -> Result { try with { try AttentionCPU.run($0, on: runner) } }

  func select(_ b: Int, _ h: Int, _ kernel: KernelRow? = nil) throws -> Selection {
    var s: Selection?
    _ = try with { s = try AttentionCPU.select($0, batch: b, head: h, kernel: kernel) }
    return try #require(s)
  }

  func reference(_ b: Int, _ h: Int) -> Oracle {
    let g = h / (heads / kvHeads)
    func double(_ x: [[Float]]) -> [[Double]] { x.map { $0.map(Double.init) } }
    return Oracle(
      queries: double(q[b][h]), keys: double(k[b][g]), values: double(v[b][g]), policy: policies[h],
      querySegments: querySegments, keySegments: keySegments, scale: Double(scaled), blockQ: blockQ, blockK: blockK,
      tile: tile, edges: edges, mask: mask.map { $0[b % $0.count] }, maskedKeys: maskedKeys, emptyRows: emptyRows)
  }

  /// Relative L2 error of an output against float64; the largest number where the expected one is all zero.
  static func error(_ a: [[Float]], _ expected: [[Double]]) -> Double {
    var error = 0.0
    var norm = 0.0
    for (x, y) in zip(a.joined(), expected.joined()) {
      error += (Double(x) - y) * (Double(x) - y)
      norm += y * y
    }
    return norm == 0 ? error.squareRoot() : (error / norm).squareRoot()
  }
}

extension ElementType {
  var bytes: Int { self == .float32 ? 4 : 2 }
}

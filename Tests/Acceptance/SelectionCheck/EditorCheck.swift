import Foundation
import OnnxRuntime
import SparseAttention
import SparseAttentionCPU
import VideoPipeline

/// The CPU's selections and outputs against the float64 oracle, on queries, keys and values taken from a model.
///
/// A file holds `query`, `key`, `value` [batch, heads, tokens, size] float32, and may hold `output` (what the model's
/// node gave, shaped as the query with the value's size) and `policies` [heads, 10] (instead of --mode).
struct EditorCheck {
  private var mode = Policy.paper
  private var segments: [Segment] = []
  private var tile: Grid?
  private var blockQ = 64
  private var blockK = 64
  private var scale: Float?
  private var compute = SparseAttentionCPU.ElementType.float32
  private var files: [String] = []

  init(_ arguments: [String]) throws {
    var left = arguments[...]
    while let argument = left.popFirst() {
      guard argument.hasPrefix("--") else {
        files.append(argument)
        continue
      }
      guard let text = left.popFirst() else { throw CheckError(message: "\(argument) needs a value.") }
      let wrong = CheckError(message: "\(argument) cannot be \(text).")
      func number<T: LosslessStringConvertible>(_: T.Type = T.self) throws -> T {
        guard let x = T(text) else { throw wrong }
        return x
      }
      switch argument {
      case "--mode" where text == "paper": mode = .paper
      case "--mode" where text.hasPrefix("gap="):
        guard let t = Float(text.dropFirst(4)) else { throw wrong }
        mode = Policy(select: .threshold(t), rank: .gap)
      case "--segments": segments = try text.split(separator: ",").map { try EditorCheck.segment($0, wrong) }
      case "--tile": tile = try EditorCheck.grid(Substring(text), wrong)
      case "--block-q": blockQ = try number()
      case "--block-k": blockK = try number()
      case "--scale": scale = try number()
      case "--compute":
        switch text {
        case "float32": compute = .float32
        case "bfloat16": compute = .bfloat16
        default: throw wrong
        }
      default: throw wrong
      }
    }
  }

  private static func segment(_ text: Substring, _ wrong: CheckError) throws -> Segment {
    let parts = text.split(separator: "=")
    guard parts.count == 2, let kind = SegmentKind(rawValue: String(parts[0])) else { throw wrong }
    let sizes = parts[1].split(separator: ":")
    guard let first = sizes.first, let length = Int(first), sizes.count <= 2 else { throw wrong }
    return Segment(kind, length: length, grid: sizes.count == 2 ? try grid(sizes[1], wrong) : nil)
  }

  private static func grid(_ text: Substring, _ wrong: CheckError) throws -> Grid {
    let sizes = text.split(separator: "x").compactMap { Int($0) }
    guard sizes.count == 3 else { throw wrong }
    return Grid(frames: sizes[0], rows: sizes[1], columns: sizes[2])
  }

  private struct HeadResult: Sendable {
    var pairs = 0
    var differing = 0
    var notNearTies = 0
    /// Of the CPU's output and of the model's node from the oracle's, with the CPU's selection.
    var own = Distance()
    var node: Distance?
    var density: Float = 0
  }

  /// Prints a line a file and one of totals. An error is that of the worst head.
  /// - Returns: whether errors are 1e-5 at most, and selections differ in near-ties under 1 % of the pairs only.
  func run() throws -> Bool {
    guard !files.isEmpty else { throw CheckError(message: "Give the .npz files to check.") }
    var all: [HeadResult] = []
    for file in files {
      let start = ContinuousClock.now
      let heads = try check(file)
      all += heads
      let name = (file as NSString).lastPathComponent
      let seconds = String(format: "%.0f s", (ContinuousClock.now - start) / .seconds(1))
      FileHandle.standardError.write(Data("\(name): \(summary(heads)), \(seconds)\n".utf8))
    }
    print(summary(all))
    let errors = all.map(\.own.relative) + all.compactMap { $0.node?.relative }
    let share = Double(all.reduce(0) { $0 + $1.differing }) / Double(max(1, all.reduce(0) { $0 + $1.pairs }))
    return errors.allSatisfy { $0 <= 1e-5 } && share < 0.01 && all.allSatisfy { $0.notNearTies == 0 }
  }

  private func summary(_ heads: [HeadResult]) -> String {
    let pairs = heads.reduce(0) { $0 + $1.pairs }
    let differing = heads.reduce(0) { $0 + $1.differing }
    let own = heads.map(\.own.relative).max() ?? 0
    let node = heads.compactMap { $0.node?.relative }.max()
    let density = heads.reduce(0) { $0 + Double($1.density) } / Double(max(1, heads.count))
    return [
      "error=\(String(format: "%.2e", max(own, node ?? 0)))", "cpu_error=\(String(format: "%.2e", own))",
      "node_error=\(node.map { String(format: "%.2e", $0) } ?? "none")",
      "share=\(String(format: "%.6f", Double(differing) / Double(max(1, pairs))))", "differing=\(differing)",
      "pairs=\(pairs)", "not_near_ties=\(heads.reduce(0) { $0 + $1.notNearTies })", "heads=\(heads.count)",
      "density=\(String(format: "%.4f", density))",
    ].joined(separator: " ")
  }

  private func check(_ file: String) throws -> [HeadResult] {
    let arrays = try npz(file)
    func array(_ name: String) throws -> Tensor {
      guard let x = arrays[name], x.shape.count == 4, x.elementType == .float32, x.count > 0 else {
        throw CheckError(message: "\(file): '\(name)' must be float32 [batch, heads, tokens, size].")
      }
      return x
    }
    let (query, key, value) = (try array("query"), try array("key"), try array("value"))
    let output = arrays["output"] == nil ? nil : try array("output")
    let (batch, heads, kvHeads) = (query.shape[0], query.shape[1], key.shape[1])
    guard key.shape[0] == batch, key.shape[3] == query.shape[3], heads % kvHeads == 0,
      Array(value.shape.prefix(3)) == Array(key.shape.prefix(3)),
      output.map({ $0.shape == Array(query.shape.prefix(3)) + [value.shape[3]] }) ?? true
    else { throw CheckError(message: "\(file): the shapes of its arrays do not go together.") }
    let policies = try policies(arrays["policies"], heads, file)
    return try parallelMap(batch * heads) { i in
      let kv = (i / heads) * kvHeads + (i % heads) / (heads / kvHeads)
      return try head(
        rows(query, i), rows(key, kv), rows(value, kv), output.map { rows($0, i) }, policies[i % heads])
    }
  }

  private func policies(_ array: Tensor?, _ heads: Int, _ file: String) throws -> [Policy] {
    guard let array else { return Array(repeating: mode, count: heads) }
    let numbers = array.floats
    let rows = stride(from: 0, to: numbers.count, by: Policy.rowLength).compactMap {
      Policy(row: numbers[$0..<min(numbers.count, $0 + Policy.rowLength)])
    }
    guard rows.count == heads else { throw CheckError(message: "\(file): 'policies' must be [heads, 10].") }
    return rows
  }

  private func rows(_ x: Tensor, _ index: Int) -> [[Float]] {
    let (tokens, size) = (x.shape[2], x.shape[3])
    return x.bytes.withUnsafeBytes { bytes in
      let all = bytes.bindMemory(to: Float.self)
      return (0..<tokens).map { Array(all[(index * tokens + $0) * size..<(index * tokens + $0 + 1) * size]) }
    }
  }

  private func head(
    _ q: [[Float]], _ k: [[Float]], _ v: [[Float]], _ node: [[Float]]?, _ policy: Policy
  ) throws -> HeadResult {
    func doubles(_ x: [[Float]]) -> [[Double]] { x.map { $0.map(Double.init) } }
    let scale = scale ?? 1 / Float(q[0].count).squareRoot()
    let segments = segments.isEmpty ? [Segment(.target, length: q.count)] : segments
    let oracle = Oracle(
      queries: doubles(q), keys: doubles(k), values: doubles(v), policy: policy, querySegments: segments,
      keySegments: segments, scale: Double(scale), blockQ: blockQ, blockK: blockK, tile: tile)
    let (selection, output) = try onCPU(q, k, v, scale, segments, policy)
    let comparison = try SelectionComparison(selection, oracle)
    let reference = try oracle.output(selection)
    var result = HeadResult(
      pairs: comparison.pairs, differing: comparison.differing, notNearTies: comparison.notNearTies,
      density: selection.statistics[0])
    let width = v[0].count
    var nodeDistance = Distance()
    for (t, row) in reference.enumerated() {
      for (c, x) in row.enumerated() {
        result.own.add(Double(output[t * width + c]), x)
        if let node { nodeDistance.add(Double(node[t][c]), x) }
      }
    }
    if node != nil { result.node = nodeDistance }
    return result
  }

  private func onCPU(
    _ q: [[Float]], _ k: [[Float]], _ v: [[Float]], _ scale: Float, _ segments: [Segment], _ policy: Policy
  ) throws -> (Selection, [Float]) {
    var query = Array(q.joined())
    var key = Array(k.joined())
    var value = Array(v.joined())
    var output = Array(repeating: Float(0), count: q.count * v[0].count)
    func view(_ x: UnsafeMutableBufferPointer<Float>, _ width: Int) throws -> TensorView {
      guard let base = x.baseAddress else { throw CheckError(message: "There are no tokens.") }
      return TensorView(UnsafeMutableRawPointer(base), batchStride: 0, headStride: 0, tokenStride: width)
    }
    let selection = try query.withUnsafeMutableBufferPointer { query in
      try key.withUnsafeMutableBufferPointer { key in
        try value.withUnsafeMutableBufferPointer { value in
          try output.withUnsafeMutableBufferPointer { output in
            var problem = AttentionProblem(
              query: try view(query, q[0].count), key: try view(key, k[0].count), value: try view(value, v[0].count),
              output: try view(output, v[0].count), querySegments: segments, keySegments: segments,
              policies: [policy])
            (problem.queries, problem.keys) = (q.count, k.count)
            (problem.headSize, problem.valueSize) = (q[0].count, v[0].count)
            (problem.scale, problem.blockQ, problem.blockK, problem.tile) = (scale, blockQ, blockK, tile)
            problem.compute = compute
            try AttentionCPU.run(problem, on: SerialRunner())
            return try AttentionCPU.select(problem, batch: 0, head: 0)
          }
        }
      }
    }
    return (selection, output)
  }
}

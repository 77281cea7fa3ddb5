import ONNXGraph
import SparseAttention

/// Tells what a site attends to: its kind, its axis, and the segments of its sequence.
final class SiteClassifier {
  private let model: Model
  private let views: [GraphView]
  private let tracer: AxisTracer
  /// Axes of inputs that reach the model's outputs: what is decoded.
  private let decoded: Set<AxisOrigin>
  /// False where the outputs hold what could not be told apart.
  private let isDecodedSure: Bool
  private let inputs: [String: ValueInfo]
  /// True where images are decoded and no video: all tokens are an image's.
  private let isImageModel: Bool

  init(_ model: Model, _ scopes: [AxisTracer.Scope]) {
    self.model = model
    views = scopes.map(\.view)
    let overridable = Set(model.graph.initializers.map(\.name))
    inputs = Dictionary(model.graph.inputs.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    tracer = AxisTracer(scopes, overridable: overridable)
    var decoded: Set<AxisOrigin> = []
    var isSure = true
    for output in model.graph.outputs {
      guard let shape = views[0].shape(output.name) ?? output.shape, shape.count > 1 else { continue }
      for axis in 1..<shape.count {
        let content = tracer.content(of: output.name, axis: axis, in: 0)
        decoded.formUnion(content.origins)
        if content.pieces.contains(where: \.isMixed) { isSure = false }
      }
    }
    self.decoded = decoded
    let ranks = Set(decoded.compactMap { [inputs] origin in inputs[origin.input]?.shape?.count })
    isImageModel = ranks.contains(4) && !ranks.contains { $0 > 4 }
    isDecodedSure = isSure
  }

  func classify(_ site: inout Site, in graph: Int) {
    guard let attention = site.attention else { return }
    let query =
      attention.sequenceSource.map { tracer.content(of: $0, axis: 1, in: graph) } ?? content(attention.query, graph)
    let source = attention.keySource ?? attention.sequenceSource
    let key = source.map { tracer.content(of: $0, axis: 1, in: graph) } ?? content(attention.key, graph)
    let (from, to) = (query.origins, key.origins)
    if from.isEmpty || to.isEmpty {
      site.kind = from == to && attention.queryLength == attention.keyLength ? .`self` : .cross
    } else {
      site.kind = from.isDisjoint(with: to) || isPooled(attention, query, key) ? .cross : .`self`
    }
    let kinds = key.pieces.map(kind)
    if site.kind == .cross {
      // Vectors that are attended to and not decoded are a prompt's.
      let isPrompt =
        to.allSatisfy { rank($0.input) <= 3 } && to.isDisjoint(with: decoded) && !kinds.contains(.context)
      site.axis = isPrompt ? .text : axis(of: key, kinds)
      site.querySegments = segments(query, query.pieces.map(kind)) ?? []
      if !site.querySegments.isEmpty, isPrompt, let length = attention.keyLength {
        site.segments = [SiteSegment(kind: .text, length: length)]
      }
      return
    }
    // What language models alone use.
    if site.pattern.hasSuffix("GroupQueryAttention") { site.axis = .text }
    if kinds.contains(.text), kinds.contains(where: { $0 != .text }) { site.kind = .joint }
    site.axis = site.axis ?? axis(of: key, kinds)
    site.segments = segments(key, kinds) ?? []
    let known = kinds.compactMap(\.self)
    if known.count == kinds.count, known.contains(.target) { site.segmentOrder = known }
    site.querySegments = query == key ? site.segments : segments(query, query.pieces.map(kind)) ?? []
    if site.segments.isEmpty, key.pieces.count > 1 || key.pieces.contains(where: \.isMixed) {
      site.segmentsAreUnsure = true
    }
  }

  /// Keys of fewer tokens than the queries are no longer these tokens, if they are not a part of theirs: a window pooled
  /// them.
  private func isPooled(_ attention: Attention, _ query: AxisContent, _ key: AxisContent) -> Bool {
    guard let queries = attention.queryLength, let keys = attention.keyLength, queries != keys else { return false }
    return keys.isAtMost(queries) && !key.pieces.allSatisfy(query.pieces.contains)
  }

  private func content(_ operand: Attention.Operand, _ graph: Int) -> AxisContent {
    let axis = (operand.layout == .bhsd ? 2 : 1) + max(0, operand.batchAxes - 1)
    let own = (operand.transposition.map { $0[axis] } ?? axis) - (operand.batchAxes == 0 ? 1 : 0)
    return tracer.content(of: operand.value, axis: own, in: graph)
  }

  /// What a piece holds; nil where the graph does not say.
  private func kind(_ piece: AxisPiece) -> SegmentKind? {
    let origins = piece.source
    guard !origins.isEmpty, !piece.isMixed else { return nil }
    if origins.allSatisfy({ isText($0.input) }) { return .text }
    if origins.isSubset(of: decoded) { return isDecodedSure ? .target : nil }
    guard origins.isDisjoint(with: decoded) else { return nil }
    if origins.allSatisfy({ rank($0.input) >= 4 }) { return .context }
    // Vectors from outside: of the decoded tokens' width they are more of these, else a text's.
    let widths = Set(decoded.compactMap { rank($0.input) == 3 ? width($0.input) : nil })
    guard !widths.isEmpty else { return .text }
    return origins.allSatisfy { origin in width(origin.input).map(widths.contains) ?? false } ? .context : .text
  }

  private func rank(_ input: String) -> Int { inputs[input]?.shape?.count ?? 0 }

  private func width(_ input: String) -> Int64? { inputs[input]?.shape?.last??.value }

  /// Numbers of tokens, or vectors under one of the names that transformers and diffusers give to prompts.
  private func isText(_ input: String) -> Bool {
    if ElementType(rawValue: inputs[input]?.elementType ?? 0)?.isInteger ?? false { return rank(input) <= 2 }
    let name = input.lowercased()
    return rank(input) == 3
      && (name == "encoder_hidden_states" || ["text", "prompt", "inputs_embeds"].contains { name.contains($0) })
  }

  private func axis(of content: AxisContent, _ kinds: [SegmentKind?]) -> Site.Axis? {
    let origins = content.pieces.enumerated()
      .filter { kinds[$0.offset] != .text }.reduce(into: Set<AxisOrigin>()) { $0.formUnion($1.element.origins) }
    if origins.isEmpty { return content.origins.isEmpty ? nil : .text }
    var axes: Set<Role> = []
    for origin in origins {
      switch (rank(origin.input), origin.axis) {
      // [B, C, F, H, W], or [B, F, C, H, W].
      case (5..., 1), (5..., 2): axes.insert(.frames)
      case (5..., _): axes.insert(.space)
      // [B, C, H, W], or [B, F, S, C].
      case (4, 1): axes.insert(.frames)
      case (4, _): axes.insert(.space)
      // [B, S, C]: all tokens of one video, unless the batch may hold frames.
      case _ where isImageModel: axes.insert(.space)
      default:
        let isOne = inputs[origin.input]?.shape?.first??.value == 1
        axes.formUnion(kinds.count > 1 || isOne ? [.frames, .space] : [.space])
      }
    }
    return axes == [.frames] ? .temporal : axes == [.space] ? .spatial : .spatiotemporal
  }

  private enum Role { case frames, space }

  /// Nil where a piece's kind or length is not known, or nothing is decoded.
  private func segments(_ content: AxisContent, _ kinds: [SegmentKind?]) -> [SiteSegment]? {
    guard kinds.contains(.target) else { return nil }
    var segments: [SiteSegment] = []
    for (piece, kind) in zip(content.pieces, kinds) {
      guard let kind, let length = piece.length else { return nil }
      segments.append(SiteSegment(kind: kind, length: length, grid: kind == .text ? nil : grid(piece)))
    }
    return segments
  }

  /// Frames, rows, columns, where the piece is made of just these.
  private func grid(_ piece: AxisPiece) -> [Dimension]? {
    var sizes: [Int: Dimension] = [:]
    var order: [Int] = []
    for factor in piece.factors {
      guard let length = factor.length else { return nil }
      if length.value == 1, factor.origins.isEmpty { continue }
      // Of inputs that were joined or added before they became tokens, the same axis.
      let axes = Set(
        factor.origins.map { origin in
          rank(origin.input) >= 4 ? max(2, origin.axis - rank(origin.input) + 5) : -1
        })
      guard axes.count == 1, let axis = axes.first, axis >= 0, sizes[axis] == nil else { return nil }
      sizes[axis] = length
      order.append(axis)
    }
    guard order == order.sorted(), order.allSatisfy({ (2...4).contains($0) }), let rows = sizes[3],
      let columns = sizes[4]
    else { return nil }
    return [sizes[2] ?? 1, rows, columns]
  }
}

import ONNXGraph

/// Where an axis comes from: an axis of one of the model's inputs.
public struct AxisOrigin: Hashable, Sendable {
  public var input: String
  public var axis: Int
}

/// A length with where it comes from.
struct AxisFactor: Hashable, Sendable {
  var length: Dimension?
  var origins: Set<AxisOrigin>
}

/// A run of positions on an axis that came in together: frames × rows × columns, say, slowest first.
struct AxisPiece: Hashable, Sendable {
  var factors: [AxisFactor]
  /// Several runs that cannot be told apart any more.
  var isMixed = false
  /// What the graph has for its length where an exporter fixed it in a constant: the same in every run that is valid.
  var fixed: Dimension?

  var origins: Set<AxisOrigin> { factors.reduce(into: []) { $0.formUnion($1.origins) } }

  /// Where its slowest part comes from: what tells pieces apart that were joined before they became tokens.
  var source: Set<AxisOrigin> { factors.first { !$0.origins.isEmpty }?.origins ?? [] }

  var length: Dimension? {
    factors.reduce(Optional(Dimension(1))) { product, factor in
      guard let product, let length = factor.length else { return nil }
      return product * length
    }
  }
}

/// What stands along an axis, piece after piece.
struct AxisContent: Hashable, Sendable {
  var pieces: [AxisPiece]

  /// Nothing is known but the length.
  static func opaque(_ length: Dimension?) -> AxisContent {
    AxisContent(pieces: [AxisPiece(factors: [AxisFactor(length: length, origins: [])])])
  }

  var origins: Set<AxisOrigin> { pieces.reduce(into: []) { $0.formUnion($1.origins) } }

  /// One piece in which the order is lost.
  func mixed(_ length: Dimension?) -> AxisContent {
    AxisContent(
      pieces: [AxisPiece(factors: [AxisFactor(length: length, origins: origins)], isMixed: pieces.count > 1)])
  }

  /// A graph may join a value with itself again and again: beyond any real sequence, the pieces are told apart no more.
  func bounded(_ length: Dimension?) -> AxisContent {
    guard pieces.count > Self.pieceLimit || pieces.contains(where: { $0.factors.count > Self.pieceLimit }) else {
      return pieces.contains { $0.factors.contains { $0.origins.count > Self.originLimit } } ? .opaque(length) : self
    }
    let result = mixed(length)
    return result.origins.count > Self.originLimit ? .opaque(length) : result
  }

  private static let pieceLimit = 64
  private static let originLimit = 256

  /// With the length that the one piece must have which alone does not fit into the whole.
  func fitted(to whole: Dimension?) -> AxisContent {
    guard pieces.count > 1, let whole else { return self }
    let lengths = pieces.compactMap(\.length)
    let total = lengths.reduce(Dimension(0)) { $0 + $1 }
    guard lengths.count == pieces.count, total != whole else { return self }
    let rests = lengths.map { whole + -(total + -$0) }
    let candidates = rests.indices.filter { (rests[$0].value ?? 0) > 0 && lengths[$0].value == nil }
    guard candidates.count == 1, let place = candidates.first else { return self }
    var copy = self
    copy.pieces[place].fixed = rests[place]
    return copy
  }

  /// Axes that become one, slowest first.
  static func merged(_ parts: [AxisContent]) -> AxisContent {
    guard var result = parts.last else { return AxisContent(pieces: []) }
    for outer in parts.dropLast().reversed() {
      guard result.pieces.count == 1, let inner = result.pieces.first else {
        // Pieces inside of something longer alternate.
        let all = parts.reduce(into: AxisContent(pieces: [])) { $0.pieces += $1.pieces }
        return all.mixed(nil)
      }
      result.pieces = outer.pieces.map { piece in
        AxisPiece(factors: piece.factors + inner.factors, isMixed: piece.isMixed || inner.isMixed)
      }
    }
    return result
  }

  /// An axis that is cut into axes of these lengths, slowest first.
  func split(into lengths: [Dimension?]) -> [AxisContent] {
    if pieces.count == 1, let piece = pieces.first, !piece.isMixed, let parts = Self.split(piece.factors, lengths) {
      return parts.map { AxisContent(pieces: [AxisPiece(factors: $0)]) }
    }
    // Of several pieces the slowest axis is divided where all have the same inside.
    let inner = Array(lengths.dropFirst())
    let product = inner.reduce(Optional(Dimension(1))) { a, b in a.flatMap { a in b.map { a * $0 } } }
    var outer: [AxisPiece] = []
    var insides: [AxisContent] = []
    for piece in pieces {
      guard !piece.isMixed, let product, let quotient = piece.length?.exactlyDivided(by: product),
        let parts = Self.split(piece.factors, [quotient] + inner)
      else { return lengths.map { mixed($0) } }
      outer.append(AxisPiece(factors: parts[0]))
      if insides.isEmpty { insides = parts.dropFirst().map { AxisContent(pieces: [AxisPiece(factors: $0)]) } }
    }
    return [AxisContent(pieces: outer)] + insides
  }

  /// Distributes factors over axes; one factor may be cut.
  private static func split(_ factors: [AxisFactor], _ lengths: [Dimension?]) -> [[AxisFactor]]? {
    var waiting = factors
    var result: [[AxisFactor]] = []
    for (position, length) in lengths.enumerated() {
      if position == lengths.count - 1 {
        result.append(waiting)
        break
      }
      guard var left = length else { return nil }
      var part: [AxisFactor] = []
      while left.value != 1 {
        guard let factor = waiting.first, let size = factor.length else { return nil }
        waiting.removeFirst()
        if let quotient = left.exactlyDivided(by: size) {
          part.append(factor)
          left = quotient
        } else if let rest = size.exactlyDivided(by: left) {
          part.append(AxisFactor(length: left, origins: factor.origins))
          waiting.insert(AxisFactor(length: rest, origins: factor.origins), at: 0)
          left = 1
        } else {
          return nil
        }
      }
      result.append(part)
    }
    return result
  }

  /// Positions from `start` to `end`; nil where they are not whole pieces.
  func range(_ start: Dimension, _ end: Dimension) -> AxisContent? {
    // The same place has more than one name where a length is fixed.
    var positions: Set<Dimension> = [0]
    var taken: [AxisPiece] = []
    var isInside = false
    for piece in pieces {
      if positions.contains(start) { isInside = true }
      if positions.contains(end) { return isInside ? AxisContent(pieces: taken) : nil }
      if isInside { taken.append(piece) }
      guard let length = piece.length else { return nil }
      let lengths = [length, piece.fixed].compactMap { $0 }
      positions = Set(positions.prefix(4).flatMap { position in lengths.map { position + $0 } })
    }
    return isInside && positions.contains(end) ? AxisContent(pieces: taken) : nil
  }
}

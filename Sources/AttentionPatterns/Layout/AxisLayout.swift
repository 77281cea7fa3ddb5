import ONNXGraph

/// One run of a value's data that moves as a whole: a batch, heads, tokens or channels.
public struct Atom: Hashable, Sendable {
  var id: Int
}

/// What each axis of a value consists of: atoms, slowest first; an axis of length one may have none.
public struct AxisLayout: Equatable, Sendable {
  public var axes: [[Atom]]
}

/// The atoms of one attention and their lengths. Reshapes split them: heads out of batch·heads, say.
public struct AtomTable: Sendable {
  private var lengths: [Dimension?] = []
  private var parts: [Int: [Atom]] = [:]

  public init() {}

  public mutating func atom(_ length: Dimension?) -> Atom {
    lengths.append(length)
    return Atom(id: lengths.count - 1)
  }

  public func length(_ atom: Atom) -> Dimension? { lengths[atom.id] }

  /// The product of the atoms' lengths.
  public func length(_ atoms: [Atom]) -> Dimension? {
    atoms.reduce(Optional(Dimension(1))) { product, atom in
      guard let product, let length = length(atom) else { return nil }
      return product * length
    }
  }

  public func isUnit(_ atom: Atom) -> Bool { length(atom)?.value == 1 }

  /// Atoms in the place of those that were split.
  public func resolved(_ atoms: [Atom]) -> [Atom] {
    atoms.flatMap { atom in parts[atom.id].map { resolved($0) } ?? [atom] }
  }

  public func resolved(_ layout: AxisLayout) -> AxisLayout { AxisLayout(axes: layout.axes.map { resolved($0) }) }

  mutating func split(_ atom: Atom, _ first: Dimension, _ second: Dimension?) -> [Atom] {
    let pieces = [self.atom(first), self.atom(second)]
    parts[atom.id] = pieces
    return pieces
  }

  /// Distributes atoms over the axes of another shape with the same elements in the same order.
  ///
  /// - Returns: nil where an axis is no product of atoms, or of one atom's part; then nothing has changed.
  mutating func regrouped(_ layout: AxisLayout, into dims: [Dimension?]) -> AxisLayout? {
    let unknown = dims.indices.filter { dims[$0] == nil }
    guard unknown.count <= 1 else { return nil }
    var table = self
    var waiting = table.resolved(layout.axes.flatMap { $0 }).filter { !table.isUnit($0) }
    var axes = [[Atom]](repeating: [], count: dims.count)
    let middle = unknown.first ?? dims.count
    for axis in 0..<middle {
      guard let length = dims[axis], let group = table.take(length, from: &waiting, atEnd: false) else { return nil }
      axes[axis] = group
    }
    if let hole = unknown.first {
      for axis in (hole + 1..<dims.count).reversed() {
        guard let length = dims[axis], let group = table.take(length, from: &waiting, atEnd: true) else { return nil }
        axes[axis] = group
      }
      axes[hole] = waiting
      waiting = []
    }
    guard waiting.isEmpty else { return nil }
    self = table
    return resolved(AxisLayout(axes: axes))
  }

  /// Takes atoms that multiply to a length from the front or the end, splitting the last one where it has to be.
  private mutating func take(_ length: Dimension, from waiting: inout [Atom], atEnd: Bool) -> [Atom]? {
    var left = length
    var group: [Atom] = []
    while left.value != 1 {
      guard let atom = atEnd ? waiting.last : waiting.first else { return nil }
      if atEnd { waiting.removeLast() } else { waiting.removeFirst() }
      guard let size = self.length(atom) else { return nil }
      if let quotient = left.exactlyDivided(by: size) {
        left = quotient
        group.insert(atom, at: atEnd ? 0 : group.count)
      } else if let other = size.exactlyDivided(by: left) {
        let pieces = atEnd ? split(atom, other, left) : split(atom, left, other)
        group.insert(pieces[atEnd ? 1 : 0], at: atEnd ? 0 : group.count)
        waiting.insert(pieces[atEnd ? 0 : 1], at: atEnd ? waiting.count : 0)
        left = 1
      } else {
        return nil
      }
    }
    return group
  }
}

extension AxisLayout {
  /// A layout with a fresh atom for each axis.
  static func fresh(_ shape: [Dimension?], _ table: inout AtomTable) -> AxisLayout {
    AxisLayout(axes: shape.map { [table.atom($0)] })
  }

  func permuted(_ order: [Int]) -> AxisLayout { AxisLayout(axes: order.map { axes[$0] }) }
}

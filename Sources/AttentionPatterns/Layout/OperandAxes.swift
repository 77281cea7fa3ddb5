import ONNXGraph

/// The tensors of an attention with the roles of their axes, before it is known how they come to lie so.
struct OperandAxes {
  var table = AtomTable()
  var query: AxisLayout
  var key: AxisLayout
  var value: AxisLayout
  var output: AxisLayout
  var queryRoles: AxisRoles
  var keyRoles: AxisRoles
  var valueRoles: AxisRoles
  var outputRoles: AxisRoles
  /// One axis that may hold batch, heads or both: what the data is reshaped from tells.
  var undecided: Atom?
  /// True where the scores are [batch…, heads, queries, keys].
  var scoresAreInOrder = true

  /// Roles from the letters of both products; `scores` are the first product's letters in the order in which the
  /// second one reads them.
  ///
  /// - Returns: nil where the letters are not those of q kᵀ and p v.
  init?(
    first: ProductAxes, second: ProductAxes, softmaxAxis: Int,
    shapes: (query: [Dimension?], key: [Dimension?], value: [Dimension?])
  ) {
    guard first.left.count == shapes.query.count, first.right.count == shapes.key.count,
      second.right.count == shapes.value.count, first.result.count == second.left.count,
      first.result.indices.contains(softmaxAxis)
    else { return nil }
    let shared = first.result.filter { first.left.contains($0) && first.right.contains($0) }
    let channels = first.left.filter { first.right.contains($0) && !first.result.contains($0) }
    let rows = first.result.filter { first.left.contains($0) && !first.right.contains($0) }
    let columns = first.result.filter { !first.left.contains($0) && first.right.contains($0) }
    guard channels.count == 1, rows.count == 1, columns.count == 1, first.result[softmaxAxis] == columns[0],
      first.left.count == shared.count + 2, first.right.count == shared.count + 2
    else { return nil }
    // The second product's letters in the first one's terms, and a new letter for the value's channels.
    var names: [Character: Character] = [:]
    for (theirs, ours) in zip(second.left, first.result) { names[theirs] = ours }
    let added = second.right.filter { names[$0] == nil }
    guard added.count == 1 else { return nil }
    let valueChannel: Character = "*"
    names[added[0]] = valueChannel
    let value = second.right.compactMap { names[$0] }
    let output = second.result.compactMap { names[$0] }
    guard Set(value) == Set(shared + columns + [valueChannel]), Set(output) == Set(shared + rows + [valueChannel]),
      output.count == second.result.count
    else { return nil }

    var table = AtomTable()
    var atoms: [Character: Atom] = [:]
    func note(_ letters: [Character], _ shape: [Dimension?]) {
      for (letter, length) in zip(letters, shape) {
        // A length of one beside a longer one is a broadcast, and gets an atom of its own.
        if let known = atoms[letter].flatMap({ table.length($0) }), known.value != 1 || length == nil { continue }
        if atoms[letter] == nil || length != nil { atoms[letter] = table.atom(length) }
      }
    }
    note(first.left, shapes.query)
    note(first.right, shapes.key)
    note(value, shapes.value)
    func layout(_ letters: [Character], _ shape: [Dimension?]?) -> AxisLayout {
      AxisLayout(
        axes: letters.enumerated().map { axis, letter in
          guard let atom = atoms[letter] else { return [] }
          let isBroadcast = shape.map { $0[axis]?.value == 1 } ?? false
          return isBroadcast && !table.isUnit(atom) ? [] : [atom]
        })
    }
    query = layout(first.left, shapes.query)
    key = layout(first.right, shapes.key)
    self.value = layout(value, shapes.value)
    self.output = layout(output, nil)
    let batch = shared.count > 1 ? Array(shared.dropLast()) : []
    let heads = shared.count > 1 ? [shared[shared.count - 1]] : []
    func roles(_ layout: AxisLayout, _ letters: [Character], sequence: Character, channels: Character) -> AxisRoles {
      func of(_ wanted: [Character]) -> [Atom] {
        wanted.flatMap { letter in letters.firstIndex(of: letter).map { layout.axes[$0] } ?? [] }
      }
      return AxisRoles(batch: of(batch), heads: of(heads), sequence: of([sequence]), channels: of([channels]))
    }
    queryRoles = roles(query, first.left, sequence: rows[0], channels: channels[0])
    keyRoles = roles(key, first.right, sequence: columns[0], channels: channels[0])
    valueRoles = roles(self.value, value, sequence: columns[0], channels: valueChannel)
    outputRoles = roles(self.output, output, sequence: rows[0], channels: valueChannel)
    scoresAreInOrder = first.result == shared + rows + columns
    undecided = shared.count == 1 ? atoms[shared[0]] : nil
    self.table = table
  }

  /// The tensors of a fused operator: [B, H, S, D], or [B, S, H·D] with the heads given.
  init?(
    fused shapes: (query: [Dimension?], key: [Dimension?], value: [Dimension?]), outputRank: Int, heads: Int?,
    keyHeads: Int?
  ) {
    var table = AtomTable()
    func lengths(_ shape: [Dimension?], _ heads: Int?) -> [Dimension?]? {
      switch shape.count {
      case 4: return [shape[0], shape[1], shape[2], shape[3]]
      case 3:
        guard let heads, heads > 0 else { return nil }
        return [shape[0], Dimension(heads), shape[1], shape[2]?.exactlyDivided(by: Dimension(heads))]
      default: return nil
      }
    }
    guard let q = lengths(shapes.query, heads), let k = lengths(shapes.key, keyHeads),
      let v = lengths(shapes.value, keyHeads)
    else { return nil }
    func isSame(_ a: Dimension?, _ b: Dimension?) -> Bool { a == b || a == nil || b == nil }
    let batch = table.atom(q[0] ?? k[0])
    let keyBatch = isSame(q[0], k[0]) ? batch : table.atom(k[0])
    let queryHeads = table.atom(q[1])
    let keyHeadsAtom = isSame(q[1], k[1]) ? queryHeads : table.atom(k[1])
    let (rows, columns) = (table.atom(q[2]), table.atom(k[2] ?? v[2]))
    let (channels, valueChannels) = (table.atom(q[3] ?? k[3]), table.atom(v[3]))
    func layout(_ rank: Int, _ b: Atom, _ h: Atom, _ s: Atom, _ d: Atom) -> AxisLayout {
      AxisLayout(axes: rank == 4 ? [[b], [h], [s], [d]] : [[b], [s], [h, d]])
    }
    query = layout(shapes.query.count, batch, queryHeads, rows, channels)
    key = layout(shapes.key.count, keyBatch, keyHeadsAtom, columns, channels)
    value = layout(shapes.value.count, keyBatch, keyHeadsAtom, columns, valueChannels)
    output = layout(outputRank, batch, queryHeads, rows, valueChannels)
    queryRoles = AxisRoles(batch: [batch], heads: [queryHeads], sequence: [rows], channels: [channels])
    keyRoles = AxisRoles(batch: [keyBatch], heads: [keyHeadsAtom], sequence: [columns], channels: [channels])
    valueRoles = AxisRoles(batch: [keyBatch], heads: [keyHeadsAtom], sequence: [columns], channels: [valueChannels])
    outputRoles = AxisRoles(batch: [batch], heads: [queryHeads], sequence: [rows], channels: [valueChannels])
    self.table = table
  }
}
